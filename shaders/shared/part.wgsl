// What an invocation works on where workgroups of 64 do not cross pictures, so that their sums are those of one.

// `i`: its vec4, `group`: its workgroup. Past the end of a picture it is not alive, and `i` the picture's last.
struct Part { i: u32, group: u32, alive: bool }

// `vec4s` and `groups`: of a picture.
fn part(linear: u32, vec4s: u32, groups: u32, pictures: u32) -> Part {
    let group = linear / 64u;
    let picture = min(group / groups, pictures - 1u);
    let place = group % groups * 64u + linear % 64u;
    let inside = group < groups * pictures;
    let i = picture * vec4s + min(place, vec4s - 1u);
    return Part(i, group, inside && place < vec4s);
}
