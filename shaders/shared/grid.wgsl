// Index of an invocation in a one-dimensional grid that the host folded into y because one axis holds
// at most 65535 workgroups. All kernels use workgroups of 64.

fn invocation(gid: vec3<u32>, groups: vec3<u32>) -> u32 {
    return gid.x + gid.y * groups.x * 64u;
}
