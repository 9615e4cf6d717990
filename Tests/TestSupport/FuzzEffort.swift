import Foundation

/// How many damaged files the tests try.
package enum FuzzEffort {
  /// How many times as many as usual; `tools/test fuzz` sets `GRAFT_FUZZ_FACTOR`.
  package static let factor =
    ProcessInfo.processInfo.environment["GRAFT_FUZZ_FACTOR"].flatMap { Int($0) } ?? 1
}
