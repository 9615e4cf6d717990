import CGraftShims
import GraftTensor

/// Lists the weights of one HDF5 file, and decodes those that cannot be mapped.
struct WeightsReader: ~Copyable {
  /// A data set to decode, and where its elements go.
  private struct Decoding {
    var address: UInt64
    var path: String
    var offset: Int
  }

  private let limits: HDF5Limits
  private let fileByteCount: Int
  private var decodings: [Decoding] = []
  /// Bytes that are not just mapped: decoded here, or turned to little-endian later.
  private var convertedByteCount = 0
  private var listing = WeightsListing()

  private init(fileByteCount: Int) {
    self.fileByteCount = fileByteCount
    self.limits = HDF5Limits(fileByteCount: fileByteCount)
  }

  /// Reads the file at `path`. `makeBuffer` gives memory for that many decoded bytes; it is asked
  /// once.
  ///
  /// - Throws: `GraftError` naming the object that is wrong.
  static func read(
    path: String, fileByteCount: Int, makeBuffer: (Int) throws -> UnsafeMutableRawPointer
  ) throws -> WeightsListing {
    try HDF5File.withFile(path: path) { file in
      var reader = WeightsReader(fileByteCount: fileByteCount)
      let tree = try HDF5Tree(of: file, limits: reader.limits)
      let root = try file.root()
      if let weights = try reader.legacyContainer(root) {
        try reader.readLegacy(weights)
      } else {
        try reader.readLayers(of: tree.root, root: root)
      }
      guard !reader.listing.layers.isEmpty else {
        let names = tree.root.groups.map(\.name) + tree.root.datasets
        throw GraftError.badData(
          "holds no Keras weights: no attribute 'layer_names', and no group with variables",
          hint: "It holds \(names.isEmpty ? "nothing" : names.prefix(20).joined(separator: ", "))")
      }
      if !reader.decodings.isEmpty {
        try reader.decode(file, into: makeBuffer(reader.listing.decodedByteCount))
      }
      return reader.listing
    }
  }

  // MARK: The legacy layout: names of layers and weights stand in attributes.

  /// The group with the layers: the root of a weights file, or `model_weights` of a whole model.
  private func legacyContainer(_ root: HDF5Object) throws -> HDF5Object? {
    if try names("layer_names", of: root) != nil { return root }
    guard let weights = root.member("model_weights"), weights.kind == .group,
      try names("layer_names", of: weights) != nil
    else { return nil }
    return weights
  }

  private mutating func readLegacy(_ container: HDF5Object) throws {
    let layerNames = try names("layer_names", of: container) ?? []
    try checkCount(layerNames.count)
    var weightCount = 0
    for layerName in layerNames {
      let layer = try withPlace("layer '\(layerName)'") {
        guard let group = container.member(layerName), group.kind == .group else {
          throw GraftError.badData("is listed in 'layer_names', but has no group")
        }
        var layer = WeightsListing.Layer(name: layerName, path: layerName)
        let weightNames = try names("weight_names", of: group) ?? []
        weightCount += weightNames.count
        try checkCount(weightCount)
        for weightName in weightNames {
          let weight = try withPlace("weight '\(weightName)'") {
            guard let dataset = group.member(weightName), dataset.kind == .dataset else {
              throw GraftError.badData("is listed in 'weight_names', but has no data set")
            }
            return try self.weight(dataset, name: weightName, path: "\(layerName)/\(weightName)")
          }
          layer.weights.append(weight)
        }
        return layer
      }
      listing.layers.append(layer)
    }
  }

  /// A list of names, which Keras splits over `name0`, `name1`… when it outgrows an attribute.
  private func names(_ name: String, of object: HDF5Object) throws -> [String]? {
    let budget = limits.attributeByteCount
    if let whole = try object.strings(attribute: name, budget: budget) { return whole }
    var parts: [String] = []
    var index = 0
    while let part = try object.strings(attribute: "\(name)\(index)", budget: budget) {
      parts += part
      index += 1
      try checkCount(parts.count + index)
    }
    return index == 0 ? nil : parts
  }

  private func checkCount(_ count: Int) throws {
    guard count <= limits.objectCount else { throw GraftError.badData("has too many objects") }
  }

  // MARK: The layout of Keras 3: a group per layer, its variables numbered in `vars`.

  private mutating func readLayers(of model: HDF5Tree.Group, root: HDF5Object) throws {
    listing.hasStoredNames = false
    var model = model
    model.groups.removeAll { KerasLayout.isTrainingState($0.name) }
    try readLayer(model, root: root)
  }

  private mutating func readLayer(_ group: HDF5Tree.Group, root: HDF5Object) throws {
    if let variables = group.group("vars") {
      try withPlace("layer '\(group.path)'") {
        guard let object = root.member(String(variables.path.dropFirst())) else {
          throw HDF5File.error("its variables cannot be opened")
        }
        let stored = try object.strings(attribute: "name", budget: limits.attributeByteCount)
        if stored != nil { listing.hasStoredNames = true }
        var layer = WeightsListing.Layer(
          name: stored?.first ?? group.name, path: String(group.path.dropFirst()))
        for variable in variables.datasets.sorted(by: KerasLayout.precedes) {
          let weight = try withPlace("variable '\(variable)'") {
            guard let dataset = object.member(variable) else {
              throw HDF5File.error("cannot be opened")
            }
            return try self.weight(dataset, name: variable, path: "\(variables.path)/\(variable)")
          }
          layer.weights.append(weight)
        }
        listing.layers.append(layer)
      }
    }
    for member in KerasLayout.sorted(group.groups) where member.name != "vars" {
      try readLayer(member, root: root)
    }
  }

  // MARK: Data sets

  private mutating func weight(
    _ dataset: HDF5Object, name: String, path: String
  ) throws -> WeightsListing.Weight {
    let description = try dataset.description()
    guard Int(description.layout) != GRAFT_HDF5_VIRTUAL, description.external_file_count == 0
    else {
      throw GraftError.badData(
        "keeps its data in other files", hint: "Weights are read from one file only")
    }
    guard let elementType = KerasLayout.elementType(description) else {
      throw GraftError.unsupported(
        "has an element type that is neither float16, float32, float64 nor an integer")
    }
    let shape = try KerasLayout.shape(description)
    let byteCount = try Tensor.byteCount(elementType, shape)
    let place = try place(description, of: dataset, byteCount: byteCount, path: path)
    return WeightsListing.Weight(
      name: name, elementType: elementType.rawValue, shape: shape, place: place)
  }

  private mutating func place(
    _ description: graft_hdf5_dataset, of dataset: HDF5Object, byteCount: Int, path: String
  ) throws -> WeightsListing.Place {
    let isBigEndian = description.is_big_endian != 0 && description.byte_width > 1
    if Int(description.layout) == GRAFT_HDF5_CONTIGUOUS, description.file_offset >= 0 {
      let offset = Int(description.file_offset)
      guard offset <= fileByteCount, byteCount <= fileByteCount - offset else {
        throw GraftError.badData(
          "\(byteCount) bytes at \(offset) lie outside of the file's \(fileByteCount) bytes",
          hint: "The file may be cut off")
      }
      if isBigEndian { try count(byteCount) }
      return .file(offset: offset, isBigEndian: isBigEndian)
    }
    let offset = listing.decodedByteCount
    try count(byteCount)
    decodings.append(Decoding(address: dataset.address, path: path, offset: offset))
    // Every tensor begins at a cache line, as in memory of its own.
    listing.decodedByteCount = (offset + byteCount + 63) / 64 * 64
    return .decoded(offset: offset)
  }

  private mutating func count(_ byteCount: Int) throws {
    let (total, overflow) = convertedByteCount.addingReportingOverflow(byteCount)
    guard !overflow, total <= limits.decodedByteCount else {
      throw GraftError.badData(
        "decodes to more than \(limits.decodedByteCount) bytes, too many for a file of "
          + "\(fileByteCount) bytes")
    }
    convertedByteCount = total
  }

  private func decode(
    _ file: borrowing HDF5File, into buffer: UnsafeMutableRawPointer
  ) throws {
    for decoding in decodings {
      try withPlace("'\(decoding.path)'") {
        try file.dataset(at: decoding.address).read(into: buffer + decoding.offset)
      }
    }
  }
}
