mod entmax;
mod patches;
mod relax;
mod unit_norm;
