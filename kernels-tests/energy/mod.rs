mod entmax;
mod frangi;
mod kohonen;
mod patches;
mod relax;
mod settle;
mod unit_norm;
