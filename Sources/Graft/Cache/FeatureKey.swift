import GraftData
import GraftExecution
import GraftFiles
import GraftPasses
import GraftRuntime
import GraftTraining
import GraftVision

extension FrozenWork {
  /// Everything that an image's features depend on besides the image; equal texts mean equal bits.
  func key() throws -> String {
    let preprocessing = batches.preprocessor.preprocessing.metadata.sorted { $0.key < $1.key }
    let tuning = try options.tuning.choices.isEmpty ? "" : options.tuning.text
    return """
      Graft \(GraftVersion.build)
      instructions \(InstructionSet.current), for bfloat16 \(BFloat16Instructions.detected)
      precision \(options.precision.rawValue), tuning \(try SHA256Digest(of: tuning).hexadecimal)
      backend \(options.backend.name)
      images \([batchSize] + batches.imageShape)
      \(preprocessing.map { "\($0.key) \($0.value)" }.joined(separator: "\n"))
      network \(try graph.contentDigest(threads: options.threadCount).hexadecimal)
      """
  }
}

extension ImageDataset.Item {
  /// The digest of the image's file, or of its samples if it has no file.
  func contentDigest() throws -> SHA256Digest {
    switch image {
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
