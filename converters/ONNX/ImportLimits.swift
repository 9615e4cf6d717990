/// How much a file may ask for before it is refused.
package struct ImportLimits: Sendable {
  /// Messages inside of messages. A body takes three: node, attribute, graph.
  package var depth = 128
  /// Nodes of the file, those in bodies and functions included.
  package var nodes = 1_000_000
  /// Nodes that come of inlining functions, on top of those in the file.
  package var inlinedNodes = 200_000
  /// Functions calling functions.
  package var callDepth = 64
  /// Bytes that a sparse tensor may have when it is made dense, for each byte that the file stores
  /// of it.
  package var denseBytesPerStoredByte = 1024
  /// Bytes that a sparse tensor may have in any case when it is made dense.
  package var denseBytes = 1 << 24

  package static let standard = ImportLimits()

  package init() {}
}
