// Sums and maxima over the 64 invocations of a workgroup, in a fixed order.

var<workgroup> tree_lanes: array<vec4<f32>, 64>;

// The sum, in every invocation. All of the workgroup must call this together.
fn tree_sum(v: vec4<f32>, lane: u32) -> vec4<f32> {
    tree_lanes[lane] = v;
    for (var span = 32u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if lane < span { tree_lanes[lane] += tree_lanes[lane + span]; }
    }
    workgroupBarrier();
    let sum = tree_lanes[0];
    // The next call writes the lanes again.
    workgroupBarrier();
    return sum;
}

// The largest, in every invocation. All of the workgroup must call this together.
fn tree_max(v: vec4<f32>, lane: u32) -> vec4<f32> {
    tree_lanes[lane] = v;
    for (var span = 32u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if lane < span { tree_lanes[lane] = max(tree_lanes[lane], tree_lanes[lane + span]); }
    }
    workgroupBarrier();
    let largest = tree_lanes[0];
    workgroupBarrier();
    return largest;
}
