import GraftFiles
import GraftPasses
import GraftRuntime
import GraftTensor

/// What the frozen part of a network makes of each image, computed once.
///
/// The frozen part always runs on batches of one size, the last one filled up, so that an image's features are the
/// same bits in whatever company they are computed, and whether they are kept or computed again.
package final class FeatureStore {
  private let batches: ImageBatches
  private let session: Session?
  private let batchSize: Int
  /// Memory for one batch of images, and of what comes out.
  private let images: Tensor
  private var outputs: [Tensor] = []
  /// Elements of one image's features, for each value that crosses the cut.
  private var shapes: [Shape] = []
  private let kept: KeptFeatures?
  private var isKept: [Bool]
  /// What earlier runs computed.
  private let archive: (any FeatureArchive)?
  /// Whose features were computed since the archive had them last.
  private var unarchived: [ChangedImage] = []
  /// How many images, the first ones, are changed at random, and how many variants of each are kept.
  private let changingCount: Int
  private let variantCount: Int

  /// Whether features of training images stay once they were computed.
  package var keepsFeatures: Bool { kept != nil && (changingCount == 0 || variantCount > 0) }
  /// Images that went through the frozen part so far.
  package private(set) var computedCount = 0

  /// - Parameters:
  ///   - cut: whose frozen part is to run
  ///   - keepsFeatures: false computes them again each time
  ///   - changingCount: how many images, the first ones, come in rounds of random changes
  ///   - variantCount: of how many rounds features of these images are kept
  ///   - folder: where features lie that memory does not hold; `nil` for the folder of temporary files
  ///   - memoryLimit: bytes of features to hold in memory
  ///   - augmentation: what the random changes are
  ///   - archive: opens what earlier runs kept
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
          "'\(cut.frozen[id].name)' has the shape \(output.shape), not one part per image",
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

  /// Bytes of the features of one image.
  package var bytesOfImage: Int {
    shapes.reduce(0) { $0 + $1.elementCount * MemoryLayout<Float>.size }
  }

  /// Features of some images: for each value that crosses the cut `[numbers.count, …]`.
  ///
  /// - Parameter round: of random changes; `nil` for the images as they are
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

  /// How many features are going to be kept, and how many of these earlier runs computed.
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

  /// Lets later runs have what this one computed.
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

  /// Images that are not trained on, and all where nothing changes, have no round.
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

  /// Where an image's features are kept; `nil` if they are not.
  private func slot(_ number: Int, _ round: AugmentationRound?) -> Int? {
    guard kept != nil else { return nil }
    if number >= changingCount { return number + changingCount * (variantCount - 1) }
    guard let variant = round?.variant else { return nil }
    return number * variantCount + variant
  }

  /// Fills `outputs` for one batch at most. Rows behind the given ones hold older images.
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
