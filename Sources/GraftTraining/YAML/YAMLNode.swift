import CYAML
import GraftFiles

/// A value of a YAML file.
///
/// Source: <https://yaml.org/spec/1.2.2/>; libyaml reads the syntax of 1.1
indirect enum YAMLNode: Sendable, Equatable {
  /// - isPlain: without quotes, so that it may be a number, true, false or null
  case scalar(String, isPlain: Bool)
  /// No value: nothing, `~` or `null`.
  case null
  case sequence([YAMLNode])
  case mapping([Property])

  struct Property: Sendable, Equatable {
    var key: String
    var value: YAMLNode
    /// The line of the key in the file, from 1; `nil` if it is not from a file.
    var line: Int?
  }

  /// - Throws: `GraftError` with the place, if the text is not YAML or too large
  init(yaml: String) throws {
    var yaml = yaml
    self = try yaml.withUTF8 { bytes in
      let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
      defer { parser.deallocate() }
      guard yaml_parser_initialize(parser) == 1 else {
        throw GraftError(.operatingSystem, "no memory for reading YAML")
      }
      defer { yaml_parser_delete(parser) }
      yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
      var reader = YAMLReader(parser: parser, bytes: bytes)
      return try reader.document()
    }
  }
}

/// Builds values from libyaml's events.
private struct YAMLReader {
  private static let depthLimit = 64
  /// The values that an alias refers to count each time.
  private static let nodeLimit = 100_000

  private struct Event {
    let type: yaml_event_type_t
    let mark: yaml_mark_t
    /// A scalar, or the name that an alias refers to.
    var text = ""
    var isPlain = false
    /// A name for aliases to refer to.
    var anchor: String?
  }

  let parser: UnsafeMutablePointer<yaml_parser_t>
  let bytes: UnsafeBufferPointer<UInt8>
  private var anchors: [ByteString: (node: YAMLNode, nodeCount: Int)] = [:]
  private var nodeCount = 0

  init(parser: UnsafeMutablePointer<yaml_parser_t>, bytes: UnsafeBufferPointer<UInt8>) {
    self.parser = parser
    self.bytes = bytes
  }

  /// The only document; an empty scalar if there is none.
  mutating func document() throws -> YAMLNode {
    _ = try next()
    guard try next().type != YAML_STREAM_END_EVENT else { return .scalar("", isPlain: false) }
    let root = try node(next(), depth: 0)
    _ = try next()
    let end = try next()
    guard end.type == YAML_STREAM_END_EVENT else {
      throw failure("there is more than one document", end.mark)
    }
    return root
  }

  private mutating func node(_ event: Event, depth: Int) throws -> YAMLNode {
    guard depth < YAMLReader.depthLimit else {
      throw failure("values are nested more than \(YAMLReader.depthLimit) deep", event.mark)
    }
    let firstCount = nodeCount
    try count(1, event.mark)
    let node: YAMLNode
    switch event.type {
    case YAML_ALIAS_EVENT:
      guard let anchor = anchors[event.text] else {
        throw failure("unknown alias '*\(event.text)'", event.mark)
      }
      try count(anchor.nodeCount, event.mark)
      return anchor.node
    case YAML_SEQUENCE_START_EVENT:
      var elements: [YAMLNode] = []
      while case let element = try next(), element.type != YAML_SEQUENCE_END_EVENT {
        elements.append(try self.node(element, depth: depth + 1))
      }
      node = .sequence(elements)
    case YAML_MAPPING_START_EVENT: node = .mapping(try properties(depth: depth + 1))
    default:
      let isNull = event.isPlain && ["", "~", "null", "Null", "NULL"].contains(event.text)
      node = isNull ? .null : .scalar(event.text, isPlain: event.isPlain)
    }
    if let anchor = event.anchor { anchors[anchor] = (node, nodeCount - firstCount) }
    return node
  }

  private mutating func properties(depth: Int) throws -> [YAMLNode.Property] {
    var properties: [YAMLNode.Property] = []
    var merged: [YAMLNode.Property] = []
    var keys: Set<ByteString> = []
    while case let key = try next(), key.type != YAML_MAPPING_END_EVENT {
      guard key.type == YAML_SCALAR_EVENT else {
        throw failure("a name must be one text", key.mark)
      }
      let value = try node(next(), depth: depth)
      if key.text == "<<", key.isPlain {
        guard let properties = YAMLReader.merged(value) else {
          throw failure("'<<' merges a mapping such as '*name', or a list of them", key.mark)
        }
        merged += properties
      } else if keys.insert(ByteString(key.text)).inserted {
        properties.append(.init(key: key.text, value: value, line: key.mark.line + 1))
      } else {
        throw failure("duplicate property '\(key.text)'", key.mark)
      }
    }
    return properties + merged.filter { keys.insert(ByteString($0.key)).inserted }
  }

  /// The properties that `<<` merges into a mapping, unless it has its own; `nil` if the value has
  /// none to merge.
  private static func merged(_ node: YAMLNode) -> [YAMLNode.Property]? {
    switch node {
    case .scalar, .null: return nil
    case .mapping(let properties): return properties
    case .sequence(let nodes):
      var merged: [YAMLNode.Property] = []
      for node in nodes {
        guard case .mapping(let properties) = node else { return nil }
        merged += properties
      }
      return merged
    }
  }

  private mutating func count(_ added: Int, _ mark: yaml_mark_t) throws {
    nodeCount += added
    guard nodeCount <= YAMLReader.nodeLimit else {
      throw failure("there are more than \(YAMLReader.nodeLimit) values", mark)
    }
  }

  private func next() throws -> Event {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw parserFailure }
    defer { yaml_event_delete(&event) }
    var result = Event(type: event.type, mark: event.start_mark)
    func name(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
      text.map { String(cString: $0) }
    }
    switch event.type {
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      result.text = String(
        decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      result.isPlain =
        scalar.style == YAML_PLAIN_SCALAR_STYLE && name(scalar.tag) != "tag:yaml.org,2002:str"
      result.anchor = name(scalar.anchor)
    case YAML_ALIAS_EVENT: result.text = name(event.data.alias.anchor) ?? ""
    case YAML_SEQUENCE_START_EVENT: result.anchor = name(event.data.sequence_start.anchor)
    case YAML_MAPPING_START_EVENT: result.anchor = name(event.data.mapping_start.anchor)
    default: break
    }
    return result
  }

  private var parserFailure: GraftError {
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "cannot be read"
    guard parser.pointee.error == YAML_READER_ERROR else {
      return failure(problem, parser.pointee.problem_mark)
    }
    let lineCount = bytes.prefix(parser.pointee.problem_offset).count { $0 == UInt8(ascii: "\n") }
    return .badData("invalid YAML: \(problem)").at("line \(lineCount + 1)")
  }

  private func failure(_ problem: String, _ mark: yaml_mark_t) -> GraftError {
    .badData("invalid YAML: \(problem)").at("line \(mark.line + 1), column \(mark.column + 1)")
  }
}
