import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime
import GraftTensor

/// The features of images from the frozen part of a network, computed once.
///
/// The frozen part always runs on full batches of one size, so that an image's features have the
/// same bits in any batch, whether they are cached or recomputed.
package final class FeatureStore {
  private let batches: ImageBatches
  private let session: Session?
  private let batchSize: Int
  /// Memory for one batch of images.
  private let images: Tensor
  private var outputs: [Tensor] = []
  /// The shape of one image's features, for each value that crosses the cut.
  private var shapes: [Shape] = []
  private let kept: KeptFeatures?
  private var isKept: [Bool]
  /// The features of earlier runs.
  private let archive: (any FeatureArchive)?
  /// The images whose features are not in the archive yet.
  private var unarchived: [ChangedImage] = []
  /// The number of randomly changed images, which come first, and of cached variants of each.
  private let changingCount: Int
  private let variantCount: Int

  /// Whether features of training images are cached.
  package var keepsFeatures: Bool { kept != nil && (changingCount == 0 || variantCount > 0) }
  /// The number of images computed so far.
  package private(set) var computedCount = 0

  /// - Parameters:
  ///   - cut: determines the frozen part
  ///   - keepsFeatures: false recomputes features each time
  ///   - changingCount: the number of randomly changed images, which come first
  ///   - variantCount: the number of rounds whose features are cached
  ///   - folder: for features beyond the memory limit; `nil` for the folder of temporary files
  ///   - memoryLimit: the bytes of features to keep in memory
  ///   - augmentation: the random changes
  ///   - archive: opens the features of earlier runs
  package init(
    _ cut: TrainableCut, _ batches: ImageBatches, batchSize: Int, keepsFeatures: Bool = true,
    changingCount: Int = 0, variantCount: Int = 0, folder: String? = nil, memoryLimit: Int,
    options: Executable.Options, augmentation: String? = nil,
    archive openArchive: (FrozenWork) throws -> (any FeatureArchive)? = { _ in nil }
  ) throws {
    self.batches = batches
    self.batchSize = batchSize
    images = try Tensor(zeros: .float, shape: [batchSize] + batches.imageShape)
    self.changingCount = changingCount
    self.variantCount = variantCount
    let keptCount = batches.items.count - changingCount + changingCount * variantCount
    isKept = Array(repeating: false, count: keptCount)
    if cut.frozen.nodes.isEmpty {
      session = nil
      outputs = [images]
    } else {
      let session = Session(try Executable(cut.frozen, options: options))
      outputs = try session.run([images])
      self.session = session
    }
    for (output, id) in zip(outputs, cut.frozen.outputs) {
      guard output.shape.first == batchSize, output.elementType == .float else {
        throw GraftError.unsupported(
          "'\(cut.frozen[id].name)' has the shape \(output.shape), without an axis of images",
          hint: "Cut the network elsewhere with --cut")
      }
    }
    shapes = outputs.map { Array($0.shape.dropFirst()) }
    let keepsFeatures = keepsFeatures && keptCount > 0
    archive =
      keepsFeatures && session != nil
      ? try openArchive(
        FrozenWork(
          graph: cut.frozen, batches: batches, batchSize: batchSize,
          augmentation: augmentation, elementCount: shapes.reduce(0) { $0 + $1.elementCount },
          count: keptCount, options: options)) : nil
    kept =
      keepsFeatures
      ? try KeptFeatures(
        itemCount: keptCount, elementCounts: shapes.map(\.elementCount), folder: folder,
        memoryLimit: memoryLimit) : nil
  }

  /// The bytes of one image's features.
  package var bytesOfImage: Int {
    shapes.reduce(0) { $0 + $1.elementCount * MemoryLayout<Float>.size }
  }

  /// The features of images: `[numbers.count, …]` for each value that crosses the cut.
  ///
  /// - Parameter round: of random changes; `nil` for unchanged images
  package func features(
    of numbers: [Int], augmentedIn round: AugmentationRound? = nil
  ) throws -> [Tensor] {
    let results = try shapes.map { try Tensor(zeros: .float, shape: [numbers.count] + $0) }
    let slots = numbers.map { slot($0, round) }
    for (number, slot) in zip(numbers, slots) {
      if let slot, !isKept[slot] { takeFromArchive(image(number, round), slot) }
    }
    let missing = numbers.indices.filter { place in slots[place].map { !isKept[$0] } ?? true }
    for start in stride(from: 0, to: missing.count, by: batchSize) {
      let places = missing[start..<min(start + batchSize, missing.count)]
      try compute(places.map { numbers[$0] }, augmentedIn: round)
      for (row, place) in places.enumerated() {
        for (value, output) in outputs.enumerated() {
          let size = shapes[value].elementCount
          let source = output.floats(at: row * size)
          results[value].floats(at: place * size).update(from: source, count: size)
          if let slot = slots[place] {
            kept?.row(slot, of: value).update(from: source, count: size)
          }
        }
        if let slot = slots[place], !isKept[slot] {
          isKept[slot] = true
          if archive != nil { unarchived.append(image(numbers[place], round)) }
        }
      }
    }
    guard let kept else { return results }
    let computed = Set(missing)
    for place in numbers.indices where !computed.contains(place) {
      guard let slot = slots[place] else { continue }
      for (value, result) in results.enumerated() {
        let size = shapes[value].elementCount
        result.floats(at: place * size).update(from: kept.row(slot, of: value), count: size)
      }
    }
    return results
  }

  /// The number of features to cache, and how many of these earlier runs computed.
  ///
  /// - Parameter rounds: those of the variants
  package func archived(rounds: [AugmentationRound]) -> (count: Int, archivedCount: Int) {
    let rounds: [AugmentationRound?] = rounds
    let archivedCount = batches.items.indices.reduce(0) { count, number in
      let variants = number < changingCount ? rounds : [nil]
      return count
        + variants.count { archive?.withFeatures(of: image(number, $0)) { _ in } ?? false }
    }
    return (isKept.count, archivedCount)
  }

  /// Makes the computed features available to later runs.
  package func fillArchive() {
    guard let archive, let kept, !unarchived.isEmpty else { return }
    archive.add(unarchived) { image, target in
      guard let slot = slot(image.number, image.round) else { return }
      var target = target
      for (value, shape) in shapes.enumerated() {
        target.update(from: kept.row(slot, of: value), count: shape.elementCount)
        target += shape.elementCount
      }
    }
    unarchived = []
  }

  /// Images outside training, and all without augmentation, have no round.
  private func image(_ number: Int, _ round: AugmentationRound?) -> ChangedImage {
    ChangedImage(number: number, round: number < changingCount ? round : nil)
  }

  private func takeFromArchive(_ image: ChangedImage, _ slot: Int) {
    guard let kept, let archive else { return }
    isKept[slot] = archive.withFeatures(of: image) { features in
      var source = features
      for (value, shape) in shapes.enumerated() {
        kept.row(slot, of: value).update(from: source, count: shape.elementCount)
        source += shape.elementCount
      }
    }
  }

  /// The position of an image's cached features; `nil` if they are not cached.
  private func slot(_ number: Int, _ round: AugmentationRound?) -> Int? {
    guard kept != nil else { return nil }
    if number >= changingCount { return number + changingCount * (variantCount - 1) }
    guard let variant = round?.variant else { return nil }
    return number * variantCount + variant
  }

  /// Fills `outputs` for at most one batch. Rows after the given ones keep older images.
  private func compute(_ numbers: [Int], augmentedIn round: AugmentationRound?) throws {
    try batches.write(numbers, augmentedIn: round, to: images.floats(at: 0))
    if let session { try session.run([images], into: outputs) }
    computedCount += numbers.count
  }
}

extension Tensor {
  fileprivate func floats(at index: Int) -> UnsafeMutablePointer<Float> {
    baseAddress.assumingMemoryBound(to: Float.self) + index
  }
}
