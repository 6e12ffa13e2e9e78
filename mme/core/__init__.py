"""What every package of `mme` may use: settings, errors, names, logging. Imports none of them."""
