"""The paper's tables 2 to 6 on any data set: plan, train, predict, score, compare."""
