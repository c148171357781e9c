mod entmax;
mod patches;
mod relax;
