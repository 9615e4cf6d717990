import GraftExecution

/// What distinguishes LSTM, GRU and RNN for the code that they share.
enum RecurrentCell: Sendable {
  /// - Parameter couplesGates: whether the forget gate is 1 - the input gate
  case lstm(couplesGates: Bool)
  /// - Parameter isLinearBeforeReset: whether the reset gate multiplies the hidden state after its
  ///   product with the weights
  case gru(isLinearBeforeReset: Bool)
  case rnn

  /// The gates in W, R and B: LSTM i, o, f, c; GRU z, r, h.
  var gateCount: Int {
    switch self {
    case .lstm: 4
    case .gru: 3
    case .rnn: 1
    }
  }

  /// The gates by the products that compute them: those of a group share their left side.
  var gateGroups: [[Int]] {
    switch self {
    case .lstm: [[0, 1, 2, 3]]
    case .gru: [[0, 1], [2]]
    case .rnn: [[0]]
    }
  }

  /// The activations of one direction: f, g and h, as far as the cell has them.
  var defaultFunctions: [String] {
    switch self {
    case .lstm: [Sigmoid.schema.name, Tanh.schema.name, Tanh.schema.name]
    case .gru: [Sigmoid.schema.name, Tanh.schema.name]
    case .rnn: [Tanh.schema.name]
    }
  }

  /// Whether there is a state beside the hidden one.
  var hasCellState: Bool { if case .lstm = self { true } else { false } }

  /// The inputs of a node: X, W, R, B, sequence_lens, initial_h, and LSTM's initial_c and P.
  var inputCount: Int { hasCellState ? 8 : 6 }

  /// The states: hidden, and LSTM's cells.
  var stateCount: Int { hasCellState ? 2 : 1 }
}

/// The inputs of LSTM, GRU and RNN by position; the last two are LSTM's.
enum RecurrentInput {
  static let x = 0
  static let weights = 1
  static let recurrentWeights = 2
  static let bias = 3
  static let lengths = 4
  static let initialHidden = 5
  static let initialCell = 6
  static let peepholes = 7
}
