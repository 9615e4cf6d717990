import GraftGraph

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The weights of a Keras model, layer by layer, read from an HDF5 file.
///
/// Two layouts are understood: the legacy one (attributes `layer_names` and `weight_names`, at the
/// root of a weights file or in `model_weights` of a whole model) and that of Keras 3
/// (`.weights.h5`: groups `layers/NAME/vars`). Contiguous data sets stay in the mapped file; their
/// tensors look into it.
///
/// Source: <https://keras.io/api/models/model_saving_apis/weights_saving_and_loading/>
package struct KerasWeights: Sendable {
  package struct Layer: Sendable {
    /// The name that the layer has in the model.
    package let name: String
    /// The group in the file, below the root or `model_weights`.
    package let path: String
    /// In the order of Keras's `layer.weights`: the kernel before the bias.
    package let weights: [Weight]

    package init(name: String, path: String, weights: [Weight]) {
      self.name = name
      self.path = path
      self.weights = weights
    }
  }

  package struct Weight: Sendable {
    package let name: String
    package let tensor: Tensor

    package init(name: String, tensor: Tensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  /// In the order of the model (legacy layout) or of their groups' names (Keras 3).
  package let layers: [Layer]
  /// Whether layers bear their names in the model. Early files of Keras 3 name them after their
  /// classes: `conv2d`, `conv2d_1`, `dense`.
  package let hasStoredNames: Bool
  /// The file that they were read from.
  package let source: Graph.SourceFile?

  /// Who calls libhdf5.
  package enum Isolation: Sendable {
    /// This process. A damaged file may crash libhdf5, or make it take much memory.
    case none
    /// A child process with limits on memory and time: this executable again, which must call
    /// ``HDF5ReaderProcess/runIfRequested()`` first of all.
    case childProcess
    /// As ``childProcess``, but another executable that does so.
    case executable(String)
  }

  /// Reads the weights of the file at `path`; in a child process where the executable is prepared
  /// for that.
  ///
  /// - Throws: `GraftError` naming the file, and the object where one is wrong.
  package static func read(_ path: String) throws -> KerasWeights {
    try read(path, isolation: HDF5ReaderProcess.isAvailable ? .childProcess : .none)
  }

  /// As ``read(_:)``, saying who calls libhdf5.
  package static func read(_ path: String, isolation: Isolation) throws -> KerasWeights {
    // A pipe in the place of a file must not make opening it wait.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw GraftError(
        .noInput, "cannot open: \(String(cString: strerror(errno)))", places: [path])
    }
    defer { close(descriptor) }
    let file = try Storage.mappedFile(descriptor: descriptor, path: path)
    return try withPlace(path) {
      let bytes = UnsafeRawBufferPointer(start: file.baseAddress, count: file.byteCount)
      guard HDF5File.hasSignature(bytes) else { throw GraftError.badData("is no HDF5 file") }
      let (listing, decoded) =
        switch isolation {
        case .none: try readHere(descriptor: descriptor, fileByteCount: file.byteCount)
        case .childProcess:
          try HDF5ReaderProcess.read(
            descriptor: descriptor, fileByteCount: file.byteCount, executable: "/proc/self/exe")
        case .executable(let executable):
          try HDF5ReaderProcess.read(
            descriptor: descriptor, fileByteCount: file.byteCount, executable: executable)
        }
      return try KerasWeights(listing, file: file, decoded: decoded, path: path)
    }
  }

  private static func readHere(
    descriptor: Int32, fileByteCount: Int
  ) throws -> (WeightsListing, Storage) {
    var decoded = try Storage.heap(byteCount: 0)
    // The file that is mapped, even if `path` has become another one.
    let listing = try WeightsReader.read(
      path: "/proc/self/fd/\(descriptor)", fileByteCount: fileByteCount
    ) { byteCount in
      decoded = try Storage.heap(byteCount: byteCount)
      return decoded.baseAddress
    }
    return (listing, decoded)
  }

  /// Makes tensors of a listing; all of it is checked against the memory that is there.
  private init(
    _ listing: WeightsListing, file: Storage, decoded: Storage, path: String
  ) throws {
    hasStoredNames = listing.hasStoredNames
    source = file.file.map { Graph.SourceFile(path: path, identity: $0) }
    layers = try listing.layers.map { layer in
      let weights = try layer.weights.map { weight in
        try withPlace("weight '\(weight.name)'") {
          guard let elementType = ElementType(rawValue: weight.elementType) else {
            throw GraftError(.software, "unknown element type \(weight.elementType)")
          }
          return Weight(
            name: weight.name,
            tensor: try KerasWeights.tensor(
              elementType, weight.shape, weight.place, file: file, decoded: decoded))
        }
      }
      return Layer(name: layer.name, path: layer.path, weights: weights)
    }
  }

  private static func tensor(
    _ elementType: ElementType, _ shape: Shape, _ place: WeightsListing.Place, file: Storage,
    decoded: Storage
  ) throws -> Tensor {
    switch place {
    case .decoded(let offset):
      return try Tensor(
        elementType: elementType, shape: shape, storage: decoded, byteOffset: offset)
    case .file(let offset, let isBigEndian):
      let tensor = try Tensor(
        elementType: elementType, shape: shape, storage: file, byteOffset: offset)
      return isBigEndian ? try swapped(tensor) : tensor
    }
  }

  /// A copy with the bytes of each element turned around.
  private static func swapped(_ tensor: Tensor) throws -> Tensor {
    let copy = try tensor.copied()
    let width = tensor.elementType.byteWidth
    copy.withUnsafeMutableBytes { bytes in
      for start in stride(from: 0, to: bytes.count, by: width) {
        bytes[start..<start + width].reverse()
      }
    }
    return copy
  }
}

extension KerasWeights {
  /// The weights by the names of the layers that have some.
  package var tensorsByLayer: [String: [Tensor]] {
    let pairs = layers.lazy.filter { !$0.weights.isEmpty }
      .map { ($0.name, $0.weights.map(\.tensor)) }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }
}
