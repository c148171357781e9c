mod patches;
mod relax;
