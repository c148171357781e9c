mod patches;
