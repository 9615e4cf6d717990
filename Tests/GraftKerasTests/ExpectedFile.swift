import Foundation
import GraftGraph
import GraftKeras
import GraftTensor

/// What h5py reads from a file, as `Tests/Fixtures/hdf5_forms.py` writes it down.
struct ExpectedFile: Decodable {
  struct Value: Decodable {
    var type: String?
    var shape: [Int]?
    var data: Data?
    var strings: [String]?
  }

  struct Object: Decodable {
    var kind: String
    var links: [String]?
    var attributes: [String: Value]
    var type: String?
    var shape: [Int]?
    var data: Data?
    var strings: [String]?

    var value: Value { Value(type: type, shape: shape, data: data, strings: strings) }
  }

  var objects: [(path: String, object: Object)]

  init(from decoder: any Decoder) throws {
    // Not a dictionary of strings: two forms of one letter are two names.
    let container = try decoder.singleValueContainer()
    objects = try container.decode([Entry].self).map { ($0.path, $0.object) }
  }

  private struct Entry: Decodable {
    var path: String
    var object: Object
  }

  /// Everything else in the file that Graft's reader sees.
  func differences(from file: HDF5File) throws -> [String] {
    let root = try file.root()
    return try objects.flatMap { path, expected in
      guard let object = try root.member(path) else { return ["\(path) is missing"] }
      var found = try attributeDifferences(object, expected).map { "\(path): \($0)" }
      let kinds: [String: HDF5Object.Kind] = ["group": .group, "dataset": .dataset]
      if object.kind != kinds[expected.kind] ?? .other { found.append("\(path) is \(object.kind)") }
      if let links = expected.links {
        let names = try object.links().map(\.name)
        let isSame =
          names.count == links.count
          && zip(names, links).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
        if !isSame { found.append("\(path) links \(names)") }
      }
      if expected.kind == "dataset" {
        let dataset = try object.dataset()
        found += difference(expected.value, shape: dataset.shape) { try dataset.tensor() }
          .map { "\(path): \($0)" }
      }
      return found
    }
  }

  private func attributeDifferences(
    _ object: HDF5Object, _ expected: Object
  ) throws -> [String] {
    let attributes = try object.attributes()
    var found: [String] = []
    if attributes.count != expected.attributes.count {
      found.append("has \(attributes.count) attributes")
    }
    for (name, value) in expected.attributes {
      guard let attribute = attributes[name] else {
        found.append("attribute \(name) is missing")
        continue
      }
      found += difference(value, shape: attribute.shape) { try attribute.tensor() }
        .map { "\(name): \($0)" }
    }
    return found
  }

  private func difference(
    _ expected: Value, shape: Shape?, _ read: () throws -> Tensor
  ) -> [String] {
    do {
      switch expected.type {
      case "empty": return shape == nil ? [] : ["has the shape \(shape ?? [])"]
      case "other":
        _ = try? read()
        return []
      case "string":
        let tensor = try read()
        let strings = expected.strings ?? []
        let isSame = zip(tensor.strings, strings).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
        return tensor.strings.count == strings.count && isSame && tensor.shape == expected.shape
          ? [] : ["\(tensor.shape) \(tensor.strings)"]
      default:
        let tensor = try read()
        let isSame =
          tensor.elementType.description == expected.type && tensor.shape == expected.shape
          && tensor.withUnsafeBytes { $0.elementsEqual(expected.data ?? Data()) }
        return isSame ? [] : ["\(tensor.elementType) \(tensor.shape) or its elements differ"]
      }
    } catch { return ["\(error)"] }
  }
}
