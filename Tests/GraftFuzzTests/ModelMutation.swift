import Foundation
import GraftExecution
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import TestSupport

/// Changes of decoded fields of a model. It stays well-formed protobuf, so that the damage reaches
/// the code after the parser.
struct ModelMutation {
  /// Models to take nodes from.
  let donors: [SeedModel]

  func apply(to model: inout Onnx_ModelProto, _ generator: inout Generator) {
    let count = generator.oneIn(2) ? 1 : 1 + generator.below(5)
    for _ in 0..<count { applyOne(to: &model, &generator) }
  }

  private func applyOne(to model: inout Onnx_ModelProto, _ generator: inout Generator) {
    switch generator.below(20) {
    case 0: changeVersion(&model, &generator)
    case 1, 2: addNode(to: &model, &generator)
    case 3: changeInterface(&model.graph, &generator)
    case 4...8:
      if !model.graph.initializer.isEmpty {
        let index = generator.below(model.graph.initializer.count)
        change(&model.graph.initializer[index], &generator)
      } else {
        changeAttribute(&model.graph, &generator)
      }
    case 9...12: changeDeclaration(&model.graph, &generator)
    case 13...17: changeAttribute(&model.graph, &generator)
    default: changeNode(&model.graph, &generator)
    }
  }

  // MARK: Versions and interface

  private func changeVersion(_ model: inout Onnx_ModelProto, _ generator: inout Generator) {
    if generator.oneIn(8) {
      model.irVersion = Int64(generator.integer())
    } else if let index = model.opsetImport.indices.randomElement(using: &generator) {
      model.opsetImport[index].version =
        generator.oneIn(8)
        ? Int64(generator.integer()) : Int64.random(in: 1...28, using: &generator)
    }
  }

  private func changeInterface(_ graph: inout Onnx_GraphProto, _ generator: inout Generator) {
    switch generator.below(6) {
    case 0: if !graph.output.isEmpty { graph.output.append(graph.output[0]) }
    case 1: if !graph.input.isEmpty { graph.input.remove(at: generator.below(graph.input.count)) }
    case 2: if !graph.input.isEmpty { graph.input.append(graph.input[0]) }
    case 3: if !graph.output.isEmpty { graph.output.remove(at: 0) }
    case 4:
      var output = Onnx_ValueInfoProto()
      output.name = name(in: graph, &generator)
      graph.output.append(output)
    default:
      if let position = graph.initializer.indices.randomElement(using: &generator) {
        graph.initializer.remove(at: position)
      }
    }
  }

  private func changeDeclaration(_ graph: inout Onnx_GraphProto, _ generator: inout Generator) {
    if generator.oneIn(5), let index = graph.output.indices.randomElement(using: &generator) {
      change(&graph.output[index], &generator)
    } else if let index = graph.input.indices.randomElement(using: &generator) {
      change(&graph.input[index], &generator)
    } else {
      changeAttribute(&graph, &generator)
    }
  }

  private func change(_ info: inout Onnx_ValueInfoProto, _ generator: inout Generator) {
    switch generator.below(12) {
    case 0: info.type.tensorType.elemType = Int32.random(in: -1..<28, using: &generator)
    case 1: info.type.tensorType.clearShape()
    case 2:
      let element = info.type
      info.type.sequenceType.elemType = element
    case 3:
      var dimension = Onnx_TensorShapeProto.Dimension()
      dimension.dimValue = Int64(generator.integer())
      let count = info.type.tensorType.shape.dim.count
      info.type.tensorType.shape.dim.insert(dimension, at: generator.below(count + 1))
    case 4:
      let count = info.type.tensorType.shape.dim.count
      if count > 0 { info.type.tensorType.shape.dim.remove(at: generator.below(count)) }
    case 5:
      for index in info.type.tensorType.shape.dim.indices {
        info.type.tensorType.shape.dim[index].dimParam = generator.pick(["n", "m", "k"]) ?? "n"
      }
    default:
      let count = info.type.tensorType.shape.dim.count
      guard count > 0 else { return }
      let index = generator.below(count)
      if generator.oneIn(4) {
        info.type.tensorType.shape.dim[index].dimParam = generator.pick(["n", "m"]) ?? "n"
      } else {
        info.type.tensorType.shape.dim[index].dimValue = Int64(generator.integer())
      }
    }
  }

  // MARK: Nodes

  private func name(in graph: Onnx_GraphProto, _ generator: inout Generator) -> String {
    let names =
      graph.initializer.map(\.name) + graph.input.map(\.name) + graph.node.flatMap(\.output)
    return generator.oneIn(20) ? "missing" : generator.pick(names) ?? ""
  }

  private func changeNode(_ graph: inout Onnx_GraphProto, _ generator: inout Generator) {
    guard let index = graph.node.indices.randomElement(using: &generator) else { return }
    var node = graph.node[index]
    switch generator.below(10) {
    case 0: node.input.append(generator.oneIn(3) ? "" : name(in: graph, &generator))
    case 1: if !node.input.isEmpty { node.input.remove(at: generator.below(node.input.count)) }
    case 2...4:
      if !node.input.isEmpty {
        node.input[generator.below(node.input.count)] =
          generator.oneIn(4) ? "" : name(in: graph, &generator)
      }
    case 5: node.output.append("extra\(generator.below(3))")
    case 6: if !node.output.isEmpty { node.output[generator.below(node.output.count)] = "" }
    case 7, 8:
      if let type = OperatorCatalog.operators.randomElement(using: &generator) {
        node.opType = type.schema.name
        node.domain = type.schema.domain
      }
    default:
      if generator.oneIn(2) {
        graph.node.remove(at: index)
      } else {
        graph.node.append(node)
      }
      return
    }
    graph.node[index] = node
  }

  /// Takes a node of another model, and lets it read what this one has.
  private func addNode(to model: inout Onnx_ModelProto, _ generator: inout Generator) {
    guard let donor = generator.pick(donors)?.model.graph, var node = donor.node.first else {
      return
    }
    let prefix = "added\(model.graph.node.count)_"
    for index in node.input.indices where !node.input[index].isEmpty {
      let own = node.input[index]
      if index > 0, let tensor = donor.initializer.first(where: { $0.name == own }),
        !generator.oneIn(4)
      {
        var copy = tensor
        copy.name = prefix + own
        model.graph.initializer.append(copy)
        node.input[index] = copy.name
      } else {
        node.input[index] = name(in: model.graph, &generator)
      }
    }
    for index in node.output.indices where !node.output[index].isEmpty {
      node.output[index] = prefix + node.output[index]
    }
    guard let last = node.output.last else { return }
    if !model.opsetImport.contains(where: { $0.domain == node.domain }) {
      var entry = Onnx_OperatorSetIdProto()
      entry.domain = node.domain
      entry.version = 1
      model.opsetImport.append(entry)
    }
    node.name = prefix
    model.graph.node.append(node)
    var output = Onnx_ValueInfoProto()
    output.name = last
    if !model.graph.output.isEmpty, generator.oneIn(2) { model.graph.output.removeFirst() }
    model.graph.output.append(output)
  }

  // MARK: Attributes

  private static let attributeNames = [
    "axes", "axis", "pads", "kernel_shape", "strides", "dilations", "group", "auto_pad", "keepdims",
    "perm", "shape", "split", "repeats", "scales", "to", "value", "mode", "broadcast", "min", "max",
    "starts", "ends", "k", "alpha", "beta", "epsilon", "output_shape", "output_padding",
    "blocksize",
    "num_outputs", "batch_dims", "equation", "storage_order", "ceil_mode", "size", "p",
    "count_include_pad", "largest", "sorted", "allowzero", "noop_with_empty_axes", "exclusive",
    "num_groups", "stash_type", "direction", "dtype", "start", "end", "activation",
    "activation_params", "is_test", "spatial", "width_scale", "height_scale", "consumed_inputs",
    "coordinate_transformation_mode", "nearest_mode", "training_mode", "axis_w", "block_size",
    "activations", "hidden_size", "layout", "linear_before_reset", "input_forget", "clip",
    "scan_input_axes", "scan_output_directions", "num_scan_inputs", "new_axis", "output_dtype",
    "saturate", "precision", "q_num_heads", "kv_num_heads", "softcap", "scale", "is_causal",
    "left_window_size", "onesided", "inverse", "offset", "output_height", "sampling_ratio",
    "spatial_scale", "max_gram_length", "ngram_counts", "pool_strings", "pool_int64s", "stopwords",
    "case_change_action", "locale", "delimiter", "maxsplit", "pattern", "keys_strings",
    "nodes_treeids", "nodes_falsenodeids", "nodes_modes", "nodes_trueleafs", "leaf_weights",
    "tree_roots", "post_transform", "classlabels_strings", "coefficients", "seed", "sample_size",
    "high", "low", "norm_coefficient", "decay_factor", "xs", "zs", "y",
  ]

  private func changeAttribute(_ graph: inout Onnx_GraphProto, _ generator: inout Generator) {
    guard let index = graph.node.indices.randomElement(using: &generator) else { return }
    if graph.node[index].attribute.isEmpty || generator.oneIn(5) {
      var attribute = Onnx_AttributeProto()
      attribute.name = generator.pick(Self.attributeNames) ?? ""
      replaceValue(of: &attribute, &generator)
      graph.node[index].attribute.removeAll { $0.name == attribute.name }
      graph.node[index].attribute.append(attribute)
      return
    }
    let place = generator.below(graph.node[index].attribute.count)
    var attribute = graph.node[index].attribute[place]
    switch generator.below(12) {
    case 0:
      graph.node[index].attribute.remove(at: place)
      return
    case 1: attribute.name = generator.pick(Self.attributeNames) ?? ""
    case 2: replaceValue(of: &attribute, &generator)
    case 3: attribute.refAttrName = "alpha"
    default: changeValue(of: &attribute, &generator)
    }
    graph.node[index].attribute[place] = attribute
  }

  private func changeValue(
    of attribute: inout Onnx_AttributeProto, _ generator: inout Generator
  ) {
    switch attribute.type {
    case .int: attribute.i = Int64(generator.integer())
    case .float: attribute.f = generator.real()
    case .string: attribute.s = Data(text(&generator).utf8)
    case .tensor: change(&attribute.t, &generator)
    case .graph: changeBody(&attribute.g, &generator)
    case .strings: changeStrings(&attribute.strings, &generator)
    case .ints:
      if attribute.ints.isEmpty || generator.oneIn(4) {
        let place = generator.below(attribute.ints.count + 1)
        attribute.ints.insert(Int64(generator.integer()), at: place)
      } else if generator.oneIn(5) {
        attribute.ints.remove(at: generator.below(attribute.ints.count))
      } else {
        attribute.ints[generator.below(attribute.ints.count)] = Int64(generator.integer())
      }
    case .floats:
      if attribute.floats.isEmpty || generator.oneIn(4) {
        attribute.floats.append(generator.real())
      } else {
        attribute.floats[generator.below(attribute.floats.count)] = generator.real()
      }
    default: replaceValue(of: &attribute, &generator)
    }
  }

  private func changeBody(_ body: inout Onnx_GraphProto, _ generator: inout Generator) {
    switch generator.below(8) {
    case 0, 1: changeNode(&body, &generator)
    case 2, 3: changeAttribute(&body, &generator)
    case 4: changeInterface(&body, &generator)
    case 5: changeDeclaration(&body, &generator)
    case 6:
      if let index = body.initializer.indices.randomElement(using: &generator) {
        change(&body.initializer[index], &generator)
      }
    default:
      // A value of the graph around the body.
      guard let index = body.node.indices.randomElement(using: &generator),
        let place = body.node[index].input.indices.randomElement(using: &generator)
      else { return }
      body.node[index].input[place] =
        generator.pick(["input0", "input1", "input2", "condition", "trips"]) ?? ""
    }
  }

  private func changeStrings(_ strings: inout [Data], _ generator: inout Generator) {
    let place = generator.below(strings.count + 1)
    switch generator.below(5) {
    case 0: strings.insert(Data(text(&generator).utf8), at: place)
    case 1: if place < strings.count { strings.remove(at: place) }
    case 2: if let other = strings.randomElement(using: &generator) { strings.append(other) }
    case 3: strings = []
    default: if place < strings.count { strings[place] = Data(text(&generator).utf8) }
    }
  }

  private func replaceValue(
    of attribute: inout Onnx_AttributeProto, _ generator: inout Generator
  ) {
    let name = attribute.name
    attribute = Onnx_AttributeProto()
    attribute.name = name
    switch generator.below(7) {
    case 0, 1:
      attribute.type = .int
      attribute.i = Int64(generator.integer())
    case 2:
      attribute.type = .float
      attribute.f = generator.real()
    case 3:
      attribute.type = .string
      attribute.s = Data(text(&generator).utf8)
    case 4:
      attribute.type = .floats
      attribute.floats = (0..<generator.below(5)).map { _ in generator.real() }
    case 5:
      attribute.type = .tensor
      attribute.t.dataType = ElementType.float.rawValue
      attribute.t.dims = [1]
      attribute.t.floatData = [generator.real()]
      change(&attribute.t, &generator)
    default:
      attribute.type = .ints
      attribute.ints = (0..<generator.below(7)).map { _ in Int64(generator.integer()) }
    }
  }

  private func text(_ generator: inout Generator) -> String {
    let texts = [
      "", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "constant", "reflect", "edge", "wrap",
      "linear", "cubic", "nearest", "asymmetric", "half_pixel", "align_corners",
      "tf_crop_and_resize", "ij,jk->ik", "...i->...", "i,j,k,l,m->", "ii->i", "ij->ji,", "->",
      "mean", "sum", "none", "add", "mul", "max", "tanh", "DCR", "CRD", "Relu", "Clip", "\u{0}",
      "bilinear", "zeros", "border", "reflection", "floor", "ceil", "round_prefer_floor",
      "not_larger", "not_smaller", "stretch", "aa,bb,cc->abc", String(repeating: "i", count: 70),
      "forward", "reverse", "bidirectional", "Sigmoid", "Affine", "LEFT", "tr_TR", "UPPER", "IDF",
      "TFIDF", "(a*)*b", "((((a{1000}){1000}){1000}){1000})", "[", "\\pL{2,}", "RGB", "avg",
      "BRANCH_LEQ", "BRANCH_MEMBER", "LEAF", "SOFTMAX", "PROBIT", "MEAN", "nesterov", "input0",
    ]
    return generator.pick(texts) ?? ""
  }

  // MARK: Tensors

  private func change(_ tensor: inout Onnx_TensorProto, _ generator: inout Generator) {
    switch generator.below(12) {
    case 0: tensor.dataType = Int32.random(in: -1..<28, using: &generator)
    case 1:
      if tensor.dims.isEmpty {
        tensor.dims = [Int64(generator.integer())]
      } else {
        tensor.dims[generator.below(tensor.dims.count)] = Int64(generator.integer())
      }
    case 2: tensor.dims.insert(1, at: generator.below(tensor.dims.count + 1))
    case 3: if !tensor.dims.isEmpty { tensor.dims.remove(at: generator.below(tensor.dims.count)) }
    case 4: tensor.rawData = tensor.rawData.dropLast(1 + generator.below(9))
    case 5: makeExternal(&tensor, &generator)
    case 6...8: resize(&tensor, &generator)
    default: changeElements(&tensor, &generator)
    }
  }

  /// Gives a tensor another shape, with as many elements as that takes.
  private func resize(_ tensor: inout Onnx_TensorProto, _ generator: inout Generator) {
    guard let type = ElementType(rawValue: tensor.dataType), type.bitWidth >= 8 else { return }
    var shape = tensor.dims.map { Int($0) }
    if shape.isEmpty || generator.oneIn(6) {
      shape.insert(generator.below(4), at: generator.below(shape.count + 1))
    } else {
      shape[generator.below(shape.count)] = generator.below(6)
    }
    guard let count = try? shape.checkedElementCount(), count <= 4096 else { return }
    let wanted = count * type.byteWidth
    var bytes = [UInt8](tensor.rawData.prefix(wanted))
    let source = bytes.isEmpty ? [UInt8(generator.below(4))] : bytes
    while bytes.count < wanted { bytes.append(source[bytes.count % source.count]) }
    tensor.clearTypedData()
    tensor.rawData = Data(bytes)
    tensor.dims = shape.map { Int64($0) }
  }

  private func changeElements(_ tensor: inout Onnx_TensorProto, _ generator: inout Generator) {
    guard let type = ElementType(rawValue: tensor.dataType) else { return }
    guard type != .string else {
      changeStrings(&tensor.stringData, &generator)
      return
    }
    let width = max(1, type.byteWidth)
    let count = tensor.rawData.count / width
    guard count > 0 else {
      tensor.int64Data = [Int64(generator.integer()), Int64(generator.integer())]
      return
    }
    var bytes = [UInt8](tensor.rawData)
    for _ in 0...generator.below(3) {
      let place = generator.below(count) * width
      let value =
        type == .float
        ? UInt64(generator.real().bitPattern) : UInt64(bitPattern: Int64(generator.integer()))
      for byte in 0..<min(8, width) {
        bytes[place + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
      }
    }
    tensor.rawData = Data(bytes)
  }

  private func makeExternal(_ tensor: inout Onnx_TensorProto, _ generator: inout Generator) {
    if tensor.externalData.isEmpty || generator.oneIn(3) {
      tensor.dataLocation = .external
      var location = Onnx_StringStringEntryProto()
      location.key = "location"
      location.value =
        generator.pick(["", "..", "../x", "/etc/passwd", "weights.bin", "a/../b", "."]) ?? ""
      tensor.externalData = [location]
    }
    var entry = Onnx_StringStringEntryProto()
    entry.key = generator.pick(["offset", "length", "checksum", "location"]) ?? ""
    entry.value = generator.oneIn(6) ? "x" : String(generator.integer())
    tensor.externalData.append(entry)
  }
}

extension Onnx_TensorProto {
  fileprivate mutating func clearTypedData() {
    floatData = []
    int32Data = []
    int64Data = []
    doubleData = []
    uint64Data = []
  }
}
