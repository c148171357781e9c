mod entmax;
mod frangi;
mod kohonen;
mod patches;
mod relax;
mod unit_norm;
