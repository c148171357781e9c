// The matrices of a device's matrix units: SIDE x SIDE, f16 factors and f32 sums.

@if(!eight) const SIDE = 16u;
@if(eight) const SIDE = 8u;
@if(!eight) alias Left = coop_mat16x16<f16, A>;
@if(!eight) alias Right = coop_mat16x16<f16, B>;
@if(!eight) alias Sum = coop_mat16x16<f32, C>;
@if(eight) alias Left = coop_mat8x8<f16, A>;
@if(eight) alias Right = coop_mat8x8<f16, B>;
@if(eight) alias Sum = coop_mat8x8<f32, C>;
