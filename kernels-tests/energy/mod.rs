mod entmax;
mod frangi;
mod patches;
mod relax;
mod unit_norm;
