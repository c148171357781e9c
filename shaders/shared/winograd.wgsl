// The one-dimensional transforms of Winograd's minimal filtering F(m, 3) (Lavin and Gray 2016, section 4.1), for
// m = 2, or m = 4 where the feature `four` is on: a line of m + 2 inputs, a line of 3 weights, and back from
// m + 2 products to m outputs. A tile goes through them by columns and then by rows.

@if(!four) const SIDE = 4;
@if(four) const SIDE = 6;
@if(!four) const MADE = 2;
@if(four) const MADE = 4;

// F(4, 3) interpolates at 0, P, -P, Q, -Q and infinity. These points leave about a quarter of the rounding error
// of the usual 1 and 2 (measured; Barabasz et al. 2020 search for such points).
const P = 0.75;
const Q = 1.5;
const P2 = P * P;
const Q2 = Q * Q;

fn input_line(d: array<vec4<f32>, SIDE>) -> array<vec4<f32>, SIDE> {
    @if(!four) { return array(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]); }
    @if(four) {
        let even_p = d[4] - Q2 * d[2];
        let odd_p = P * (d[3] - Q2 * d[1]);
        let even_q = d[4] - P2 * d[2];
        let odd_q = Q * (d[3] - P2 * d[1]);
        return array(P2 * Q2 * d[0] - (P2 + Q2) * d[2] + d[4], even_p + odd_p, even_p - odd_p,
            even_q + odd_q, even_q - odd_q, P2 * Q2 * d[1] - (P2 + Q2) * d[3] + d[5]);
    }
}

fn weight_line(g: array<vec4<f32>, 3>) -> array<vec4<f32>, SIDE> {
    @if(!four) {
        let ends = 0.5 * (g[0] + g[2]);
        let middle = 0.5 * g[1];
        return array(g[0], ends + middle, ends - middle, g[2]);
    }
    @if(four) {
        let even_p = (g[0] + P2 * g[2]) / (2.0 * P2 * (P2 - Q2));
        let odd_p = P * g[1] / (2.0 * P2 * (P2 - Q2));
        let even_q = (g[0] + Q2 * g[2]) / (2.0 * Q2 * (Q2 - P2));
        let odd_q = Q * g[1] / (2.0 * Q2 * (Q2 - P2));
        return array(g[0] / (P2 * Q2), even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, g[2]);
    }
}

fn output_line(m: array<vec4<f32>, SIDE>) -> array<vec4<f32>, MADE> {
    @if(!four) { return array(m[0] + m[1] + m[2], m[1] - m[2] - m[3]); }
    @if(four) {
        let even_p = m[1] + m[2];
        let odd_p = P * (m[1] - m[2]);
        let even_q = m[3] + m[4];
        let odd_q = Q * (m[3] - m[4]);
        return array(m[0] + even_p + even_q, odd_p + odd_q, P2 * even_p + Q2 * even_q,
            P2 * odd_p + Q2 * odd_q + m[5]);
    }
}
