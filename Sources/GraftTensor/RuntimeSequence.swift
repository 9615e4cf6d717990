/// The elements of a sequence, in a persistent tree.
///
/// Inserting and erasing take logarithmic time. The result shares all other elements with the
/// original, so that a sequence may grow element by element.
package struct RuntimeSequence: Sendable {
  private let root: Node?

  package init() { root = nil }

  package init(_ elements: some Collection<RuntimeValue>) {
    var nodes: [Node] = []
    var rest = elements[...]
    while !rest.isEmpty {
      nodes.append(Node(elements: Array(rest.prefix(Node.capacity))))
      rest = rest.dropFirst(Node.capacity)
    }
    while nodes.count > 1 {
      nodes = stride(from: 0, to: nodes.count, by: Node.capacity).map {
        Node(children: Array(nodes[$0..<Swift.min($0 + Node.capacity, nodes.count)]))
      }
    }
    root = nodes.first
  }

  private init(root: Node?) { self.root = root }

  /// The sequence with one more element.
  ///
  /// - Precondition: the index is at most `count`
  package func inserting(_ element: RuntimeValue, at index: Int) -> RuntimeSequence {
    precondition((0...count).contains(index), "an element beyond the end of a sequence")
    guard let root else { return RuntimeSequence(root: Node(elements: [element])) }
    let (node, next) = root.inserting(element, at: index)
    return RuntimeSequence(root: next.map { Node(children: [node, $0]) } ?? node)
  }

  /// The sequence without one element.
  ///
  /// - Precondition: the index is that of an element
  package func erasing(at index: Int) -> RuntimeSequence {
    precondition((0..<count).contains(index), "an element beyond the end of a sequence")
    var root = root?.erasing(at: index)
    while let only = root, only.children.count == 1 { root = only.children[0] }
    return RuntimeSequence(root: root)
  }

  /// The memory of all elements in bytes; what occurs twice counts twice.
  package var memoryByteCount: Int { root?.memoryByteCount ?? 0 }

  /// What all elements have in common, if they are tensors of one element type; `nil` without
  /// elements.
  package var pattern: TensorPattern? { root?.pattern }

  /// Equal for sequences that share all elements; `nil` without elements.
  package var identity: ObjectIdentifier? { root.map(ObjectIdentifier.init) }
}

extension RuntimeSequence: RandomAccessCollection, ExpressibleByArrayLiteral {
  package init(arrayLiteral elements: RuntimeValue...) { self.init(elements) }

  package var startIndex: Int { 0 }
  package var endIndex: Int { root?.count ?? 0 }

  package subscript(index: Int) -> RuntimeValue {
    guard let root, (0..<root.count).contains(index) else {
      preconditionFailure("an element beyond the end of a sequence")
    }
    return root.element(at: index)
  }
}

/// The element type and shape that tensors have in common.
package struct TensorPattern: Sendable {
  package let elementType: ElementType
  /// Extents are `nil` where tensors differ; the whole is `nil` where not even ranks are equal.
  package let shape: [Int?]?

  fileprivate init(_ elementType: ElementType, _ shape: [Int?]?) {
    self.elementType = elementType
    self.shape = shape
  }

  fileprivate init?(_ value: RuntimeValue) {
    guard case .tensor(let tensor) = value else { return nil }
    self.init(tensor.elementType, tensor.shape)
  }

  /// What this and `other` have in common; `nil` if their element types differ.
  fileprivate func joined(with other: TensorPattern?) -> TensorPattern? {
    guard let other, other.elementType == elementType else { return nil }
    guard let shape, let others = other.shape, shape.count == others.count else {
      return TensorPattern(elementType, nil)
    }
    if shape == others { return self }
    return TensorPattern(elementType, zip(shape, others).map { $0 == $1 ? $0 : nil })
  }
}

/// A part of a sequence: some elements, or some parts, all of the same height.
private final class Node: Sendable {
  static let capacity = 32
  /// What an element takes besides its contents: itself, and its objects in memory.
  private static let overhead = MemoryLayout<RuntimeValue>.stride + 128

  let count: Int
  let memoryByteCount: Int
  let pattern: TensorPattern?
  let elements: [RuntimeValue]
  let children: [Node]

  init(elements: [RuntimeValue]) {
    self.elements = elements
    children = []
    count = elements.count
    memoryByteCount = saturatedSum(elements.lazy.map { $0.memoryByteCount }, Node.overhead)
    pattern = Node.joined(elements.lazy.map { TensorPattern($0) })
  }

  init(children: [Node]) {
    elements = []
    self.children = children
    count = children.reduce(0) { $0 + $1.count }
    memoryByteCount = saturatedSum(children.lazy.map { $0.memoryByteCount }, 0)
    pattern = Node.joined(children.lazy.map { $0.pattern })
  }

  private static func joined(_ patterns: some Sequence<TensorPattern?>) -> TensorPattern? {
    var result: TensorPattern?
    for (number, pattern) in patterns.enumerated() {
      guard let joined = number == 0 ? pattern : result?.joined(with: pattern) else { return nil }
      result = joined
    }
    return result
  }

  /// The child with an element, and the element's index there; the last one for the end.
  private func place(of index: Int) -> (child: Int, index: Int) {
    var rest = index
    for child in children.indices.dropLast() {
      if rest < children[child].count { return (child, rest) }
      rest -= children[child].count
    }
    return (children.count - 1, rest)
  }

  func element(at index: Int) -> RuntimeValue {
    var (node, rest) = (self, index)
    while !node.children.isEmpty {
      let place = node.place(of: rest)
      (node, rest) = (node.children[place.child], place.index)
    }
    return node.elements[rest]
  }

  /// The node with one more element, and what did not fit, which follows it.
  func inserting(_ element: RuntimeValue, at index: Int) -> (Node, Node?) {
    guard !children.isEmpty else {
      var elements = elements
      elements.insert(element, at: index)
      let parts = Node.split(elements, isAppended: index == count)
      return (Node(elements: parts.0), parts.1.map { Node(elements: $0) })
    }
    let place = place(of: index)
    let (node, next) = children[place.child].inserting(element, at: place.index)
    var children = children
    children[place.child] = node
    if let next { children.insert(next, at: place.child + 1) }
    let parts = Node.split(children, isAppended: index == count)
    return (Node(children: parts.0), parts.1.map { Node(children: $0) })
  }

  /// Parts that fit into nodes. Where elements are appended, the first one stays full.
  private static func split<Part>(_ parts: [Part], isAppended: Bool) -> ([Part], [Part]?) {
    guard parts.count > capacity else { return (parts, nil) }
    let first = isAppended ? capacity : parts.count / 2
    return (Array(parts[..<first]), Array(parts[first...]))
  }

  /// The node without one element; `nil` if nothing is left.
  func erasing(at index: Int) -> Node? {
    guard !children.isEmpty else {
      var elements = elements
      elements.remove(at: index)
      return elements.isEmpty ? nil : Node(elements: elements)
    }
    let place = place(of: index)
    var children = children
    if let rest = children[place.child].erasing(at: place.index) {
      children[place.child] = rest
    } else {
      children.remove(at: place.child)
    }
    return children.isEmpty ? nil : Node(children: children)
  }
}

/// The sum of these numbers, and of `extra` for each; `Int.max` if it does not fit.
private func saturatedSum(_ numbers: some Sequence<Int>, _ extra: Int) -> Int {
  var total = 0
  for number in numbers {
    let (sum, overflow) = total.addingReportingOverflow(number)
    let (next, isTooLarge) = sum.addingReportingOverflow(extra)
    guard !overflow, !isTooLarge else { return .max }
    total = next
  }
  return total
}
