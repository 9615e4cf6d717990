import GraftData
import GraftModels
import GraftRuntime
import GraftTraining
import GraftVision

extension FrozenWork {
  /// What a picture's features follow from besides the picture; equal texts, equal bits.
  ///
  /// - Returns: `nil` if the network has parts that have no such text: bodies of If and Loop.
  func key() throws -> String? {
    guard let network = try networkText() else { return nil }
    let preprocessing = batches.preprocessor.preprocessing.metadata
    let tuning = try options.tuning.choices.isEmpty ? "" : options.tuning.text
    return """
      Graft \(GraftVersion.build)
      instructions \(InstructionSet.current), for bfloat16 \(BFloat16Instructions.detected)
      precision \(options.precision.rawValue), tuning \(try SHA256Digest(of: tuning).hexadecimal)
      pictures \([batchSize] + batches.pictureShape)
      \(preprocessing.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: "\n"))
      network \(try SHA256Digest(of: network).hexadecimal)
      """
  }

  /// The network: operators, attributes, weights, and what reads what; names do not matter.
  private func networkText() throws -> String? {
    var numbers: [ValueID: Int] = [:]
    var constants: [Tensor] = []
    var lines: [String] = []
    func number(_ id: ValueID?) -> String {
      guard let id else { return "-" }
      if let number = numbers[id] { return "\(number)" }
      numbers[id] = numbers.count
      guard let constant = graph.constants[id] else { return "\(numbers.count - 1)" }
      constants.append(constant)
      return "\(numbers.count - 1)=constant \(constants.count - 1)"
    }
    lines.append("inputs \(graph.inputs.map(number))")
    for node in graph.nodes {
      var words = ["\(node.qualifiedType) \(node.inputs.map(number)) \(node.outputs.map(number))"]
      for (name, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
        guard let text = FrozenWork.text(attribute, &constants) else { return nil }
        words.append("\(String(reflecting: name.text)) \(text)")
      }
      lines.append(words.joined(separator: ", "))
    }
    lines.append("outputs \(graph.outputs.map(number))")
    let contents = constants
    guard contents.allSatisfy({ $0.elementType != .string }) else { return nil }
    let digests = try ThreadPool.shared.map(contents.count, threads: options.threadCount) { index in
      try SHA256Digest { update in contents[index].withUnsafeBytes { update($0) } }
    }
    for (constant, digest) in zip(contents, digests) {
      lines.append("\(constant.elementType)\(constant.shape) \(digest.hexadecimal)")
    }
    return lines.joined(separator: "\n")
  }

  private static func text(_ attribute: Attribute, _ constants: inout [Tensor]) -> String? {
    switch attribute {
    case .int(let value): return "\(value)"
    case .float(let value): return "\(value.bitPattern)"
    case .string(let text): return String(reflecting: text)
    case .ints(let values): return "\(values)"
    case .floats(let values): return "\(values.map(\.bitPattern))"
    case .strings(let texts): return String(reflecting: texts)
    case .tensor(let tensor):
      constants.append(tensor)
      return "constant \(constants.count - 1)"
    case .sparseTensor, .graph, .type, .tensors, .sparseTensors, .graphs, .types: return nil
    }
  }
}

extension PictureDataset.Item {
  /// Of the picture's file, or of its samples where it has none.
  func contentDigest() throws -> SHA256Digest {
    switch picture {
    case .file(let path):
      let bytes = try InputFile.read(path)
      return try SHA256Digest { update in bytes.withUnsafeBytes { update($0) } }
    case .encoded(let bytes, _):
      return try SHA256Digest { update in bytes.withUnsafeBytes { update($0) } }
    case .samples:
      let image = try image()
      return try SHA256Digest { update in
        let size = [image.width, image.height, image.channelCount].map { UInt64($0) }
        size.withUnsafeBytes { update($0) }
        image.samples.withUnsafeBytes { update($0) }
      }
    }
  }
}
