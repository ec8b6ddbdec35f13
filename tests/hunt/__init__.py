"""The leak hunt: secrets planted in every test run, searched in all that left the processes."""
