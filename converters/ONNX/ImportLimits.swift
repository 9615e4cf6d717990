/// The limits beyond which a file is refused.
package struct ImportLimits: Sendable {
  /// Nested messages. A body takes three: node, attribute, graph.
  package var depth = 128
  /// Nodes in the file, including bodies and functions.
  package var nodes = 1_000_000
  /// Nodes added by inlining functions, beyond those in the file.
  package var inlinedNodes = 200_000
  /// Nested calls of functions and bodies.
  package var nesting = 64
  /// Bytes of memory for each byte of the model's files: tensors, and the additions of inlining.
  package var bytesPerStoredByte = 16
  /// Bytes of memory that any model may take.
  package var bytes = 1 << 28

  package static let standard = ImportLimits()

  package init() {}
}
