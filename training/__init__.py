"""How the embedded model was made: data, training, evaluation and export, each file runnable as a module."""
