"""Where parameters come from: the registry of names, Kaggle's format and Hugging Face's."""
