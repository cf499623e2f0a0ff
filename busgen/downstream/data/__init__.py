"""What models are trained and tested on: real patients, synthetic sets, folds, pools."""
