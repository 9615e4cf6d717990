import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The kernel of a support vector machine, and its vectors.
struct SupportVectors: Sendable {
  enum Kernel: String, CaseIterable {
    case linear = "LINEAR"
    case polynomial = "POLY"
    case radial = "RBF"
    case sigmoid = "SIGMOID"
  }

  let kernel: Kernel
  /// `[count, features]`. For a machine without support vectors the coefficients of each score.
  let vectors: [Float]
  let count: Int
  private let gamma: Double
  private let offset: Double
  private let degree: Double

  /// - Parameter count: the number of support vectors; 0 for a linear machine, whose coefficients
  ///   make `scoreCount` scores
  init(_ attributes: AttributeReader, count: Int, coefficients: [Float], scoreCount: Int) throws {
    let name = try attributes.choice(
      "kernel_type", default: "LINEAR", of: Kernel.allCases.map(\.rawValue))
    let parameters = try attributes.floats("kernel_params") ?? []
    guard parameters.isEmpty || parameters.count == 3 else {
      throw GraftError.badData(
        "'kernel_params' has \(parameters.count) numbers; expected gamma, coef0 and degree")
    }
    gamma = Double(parameters.first ?? 0)
    offset = Double(parameters.dropFirst().first ?? 0)
    degree = Double(parameters.last ?? 0)
    if count == 0 {
      kernel = .linear
      vectors = coefficients
      self.count = scoreCount
    } else {
      kernel = Kernel(rawValue: name) ?? .linear
      vectors = try attributes.floats("support_vectors") ?? []
      self.count = count
    }
    guard count >= 0, scoreCount > 0, !vectors.isEmpty, vectors.count % self.count == 0 else {
      throw GraftError.badData(
        "\(vectors.count) numbers do not make \(self.count) vectors of equally many features")
    }
  }

  var featureCount: Int { vectors.count / count }

  /// Writes the kernel of a row of features and each vector.
  func write(
    _ row: UnsafePointer<Double>, to results: UnsafeMutableBufferPointer<Double>,
    _ instructionSet: InstructionSet
  ) {
    let similarity = instructionSet.kernels.pointee.similarity.pointee
    vectors.withUnsafeBufferPointer { vectors in
      guard let base = vectors.baseAddress, let target = results.baseAddress else { return }
      let compute = kernel == .radial ? similarity.squared_distances : similarity.products
      compute(row, base, Int64(count), Int64(featureCount), target)
    }
    switch kernel {
    case .linear: break
    case .polynomial: for index in results.indices { results[index] = power(results[index]) }
    case .radial: for index in results.indices { results[index] = exp(-gamma * results[index]) }
    case .sigmoid:
      for index in results.indices { results[index] = tanh(gamma * results[index] + offset) }
    }
  }

  private func power(_ product: Double) -> Double { pow(gamma * product + offset, degree) }
}
