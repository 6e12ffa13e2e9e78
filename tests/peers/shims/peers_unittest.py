"""Run a file of unittest's as its own `main` would, and write down what came of each test."""

import importlib.util
import sys
import unittest

import peers_plugin  # type: ignore[import-not-found]


class Results(unittest.TextTestResult):
    """Writes a line for each test, in the form of `peers_plugin`."""

    def addSuccess(self, test):  # noqa: N802 - unittest's name
        super().addSuccess(test)
        peers_plugin.write(test._testMethodName, True, "")

    def addFailure(self, test, err):  # noqa: N802 - unittest's name
        super().addFailure(test, err)
        peers_plugin.write(test._testMethodName, False, f"{err[0].__name__}: {err[1]}")

    def addError(self, test, err):  # noqa: N802 - unittest's name
        super().addError(test, err)
        peers_plugin.write(getattr(test, "_testMethodName", str(test)), False, repr(err[1]))


def main() -> None:
    spec = importlib.util.spec_from_file_location("peers_file", sys.argv[1])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = unittest.defaultTestLoader.loadTestsFromModule(module)
    unittest.TextTestRunner(resultclass=Results).run(tests)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
