/// Examples of LSTM, GRU, RNN and their gradients.
///
/// The values are those of the specification's formulas in PyTorch, in double, with its gradients;
/// onnxruntime gives the same for what it supports.
enum RecurrentExamples {}
