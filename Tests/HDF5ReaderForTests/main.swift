import GraftKeras

// What the tests start to read files in a child process.
HDF5ReaderProcess.runIfRequested()
