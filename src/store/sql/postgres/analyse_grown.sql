SELECT analyse_grown()
