import GraftFiles
import GraftTensor

/// The name of an attribute and the type of its value, for what passes write and operators read.
package struct AttributeKey<Value>: Sendable {
  fileprivate let name: ByteString
  fileprivate let attribute: @Sendable (Value) -> Attribute
  fileprivate let read: @Sendable (AttributeReader) throws -> Value?
}

extension AttributeReader {
  /// The value of an attribute; `nil` if the node does not have it.
  package func value<Value>(_ key: AttributeKey<Value>) throws -> Value? { try key.read(self) }
}

extension Node {
  package func has<Value>(_ key: AttributeKey<Value>) -> Bool { attributes[key.name] != nil }

  package mutating func set<Value>(_ key: AttributeKey<Value>, _ value: Value) {
    attributes[key.name] = key.attribute(value)
  }

  package mutating func remove<Value>(_ key: AttributeKey<Value>) { attributes[key.name] = nil }

  /// The node with another attribute.
  package func with<Value>(_ key: AttributeKey<Value>, _ value: Value) -> Node {
    var node = self
    node.set(key, value)
    return node
  }
}

extension AttributeKey<Int> {
  package init(_ name: String) {
    self.init(name: ByteString(name), attribute: { .int($0) }, read: { try $0.int(name) })
  }
}

extension AttributeKey<Float> {
  package init(_ name: String) {
    self.init(name: ByteString(name), attribute: { .float($0) }, read: { try $0.float(name) })
  }
}

extension AttributeKey<Bool> {
  package init(_ name: String) {
    self.init(
      name: ByteString(name), attribute: { .int($0 ? 1 : 0) },
      read: { try $0.int(name).map { $0 != 0 } })
  }
}

extension AttributeKey<String> {
  package init(_ name: String) {
    self.init(name: ByteString(name), attribute: { .string($0) }, read: { try $0.string(name) })
  }
}

extension AttributeKey<ElementType> {
  /// As Cast names types.
  package init(_ name: String) {
    self.init(
      name: ByteString(name), attribute: { .int(Int($0.rawValue)) },
      read: { try $0.elementType(name) })
  }
}

extension AttributeKey<[Int]> {
  package init(_ name: String) {
    self.init(name: ByteString(name), attribute: { .ints($0) }, read: { try $0.ints(name) })
  }
}

extension AttributeKey<[Float]> {
  package init(_ name: String) {
    self.init(name: ByteString(name), attribute: { .floats($0) }, read: { try $0.floats(name) })
  }
}
