import GraftExecution
import GraftFiles
import GraftTensor

/// The kernels and biases of a network's layers, complete and with the right shapes.
struct LayerWeights {
  private let kernels: [String: Tensor]
  private let biases: [String: Tensor]

  /// - Throws: `GraftError` that lists every missing or wrong layer, with both shapes
  init(
    _ weights: [String: [Tensor]], for layers: [VGGArchitecture.Layer], of architecture: String
  ) throws {
    let names = LayerWeights.names(of: layers, in: weights)
    var kernels: [String: Tensor] = [:]
    var biases: [String: Tensor] = [:]
    var faults: [String] = []
    for (layer, name) in zip(layers, names) {
      let expected = [layer.kernelShape, layer.biasShape]
      guard let tensors = weights[name] else {
        faults.append("'\(layer.name)' is missing, expected \(expected[0]) and \(expected[1])")
        continue
      }
      guard tensors.map(\.shape) == expected else {
        let found = tensors.map { "\($0.shape)" }.joined(separator: " and ")
        faults.append("'\(name)' has \(found), expected \(expected[0]) and \(expected[1])")
        continue
      }
      guard tensors.allSatisfy({ LayerWeights.elementTypes.contains($0.elementType) }) else {
        faults.append("'\(name)' has elements of type \(tensors[0].elementType) instead of float")
        continue
      }
      kernels[layer.name] = tensors[0]
      biases[layer.name] = tensors[1]
    }
    guard faults.isEmpty else {
      let found = weights.keys.sorted().listed()
      throw GraftError.badData(
        "the weights do not fit \(architecture): " + faults.joined(separator: "; "),
        hint: "The file has weights for: \(found.isEmpty ? "no layer" : found)")
    }
    self.kernels = kernels
    self.biases = biases
  }

  private static let elementTypes: Set<ElementType> = [.float, .double, .float16]

  /// The names of the layers in the file: their own, or if none of these exists, those that Keras
  /// derives from their classes (`conv2d`, `conv2d_1`, … `dense`).
  private static func names(
    of layers: [VGGArchitecture.Layer], in weights: [String: [Tensor]]
  ) -> [String] {
    if layers.contains(where: { weights[$0.name] != nil }) { return layers.map(\.name) }
    var counts: [VGGArchitecture.Layer.Kind: Int] = [:]
    let automatic = layers.map { layer in
      let number = counts[layer.kind, default: 0]
      counts[layer.kind] = number + 1
      return number == 0 ? layer.kind.rawValue : "\(layer.kind.rawValue)_\(number)"
    }
    return automatic.contains { weights[$0] != nil } ? automatic : layers.map(\.name)
  }

  /// As float; the file's own elements, if they are float.
  func kernel(_ layer: VGGArchitecture.Layer) throws -> Tensor { try float(kernels[layer.name]) }

  func bias(_ layer: VGGArchitecture.Layer) throws -> Tensor { try float(biases[layer.name]) }

  private func float(_ tensor: Tensor?) throws -> Tensor {
    guard let tensor else { throw GraftError(.software, "weights were not checked") }
    if tensor.elementType == .float { return tensor }
    // The elements may be unaligned in the file, and conversion reads them in place.
    let source = tensor.isAligned ? tensor : try tensor.copied()
    let result = try Tensor(zeros: .float, shape: tensor.shape)
    try source.withUnsafeBytes { from in
      try result.withUnsafeMutableBytes { to in
        guard let from = from.baseAddress, let to = to.baseAddress else { return }
        try ElementConversion.convert(
          from, source.elementType, to: to, .float, count: result.elementCount)
      }
    }
    return result
  }
}

/// Converts a Keras kernel `[height, width, input, output]` of floats to ONNX's `[output, input,
/// height, width]`.
func convolutionKernel(fromKeras kernel: Tensor) throws -> Tensor {
  let shape = try kernelShape(kernel)
  return try reversingAxes(
    of: kernel, (shape[0] * shape[1], shape[2], shape[3]),
    to: [shape[3], shape[2], shape[0], shape[1]])
}

/// The inverse of ``convolutionKernel(fromKeras:)``.
func kerasKernel(ofConvolution kernel: Tensor) throws -> Tensor {
  let shape = try kernelShape(kernel)
  return try reversingAxes(
    of: kernel, (shape[0], shape[1], shape[2] * shape[3]),
    to: [shape[2], shape[3], shape[1], shape[0]])
}

private func kernelShape(_ kernel: Tensor) throws -> Shape {
  guard kernel.shape.count == 4 else {
    throw GraftError.badData(
      "a convolution's kernel has the shape \(kernel.shape); expected rank 4")
  }
  return kernel.shape
}

/// `[A, B, C]` as `[C, B, A]`: height and width are one axis, first in Keras and last in ONNX.
private func reversingAxes(
  of tensor: Tensor, _ extents: (Int, Int, Int), to shape: Shape
) throws -> Tensor {
  let result = try Tensor(zeros: .float, shape: shape)
  tensor.withUnsafeBytes { source in
    result.withUnsafeMutableBytes { bytes in
      let destination = bytes.bindMemory(to: Float.self)
      var offset = 0
      for a in 0..<extents.0 {
        for b in 0..<extents.1 {
          for c in 0..<extents.2 {
            destination[(c * extents.1 + b) * extents.0 + a] = source.loadUnaligned(
              fromByteOffset: offset, as: Float.self)
            offset += MemoryLayout<Float>.stride
          }
        }
      }
    }
  }
  return result
}
