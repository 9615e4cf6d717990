/// How much a file may ask for before it is refused.
package struct ImportLimits: Sendable {
  /// Messages inside of messages. A body takes three: node, attribute, graph.
  package var depth = 128
  /// Nodes of the file, those in bodies and functions included.
  package var nodes = 1_000_000
  /// Nodes that come of inlining functions, on top of those in the file.
  package var inlinedNodes = 200_000
  /// Calls of functions and bodies inside of each other.
  package var nesting = 64
  /// Bytes that a model may take in memory for each byte of its files: its tensors, wherever their
  /// elements lie, and what inlining functions adds.
  package var bytesPerStoredByte = 16
  /// Bytes that a model may take in memory in any case.
  package var bytes = 1 << 28

  package static let standard = ImportLimits()

  package init() {}
}
