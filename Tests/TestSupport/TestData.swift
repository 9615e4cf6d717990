import Foundation

/// Files that tests read but the project does not hold.
package enum TestData {
  /// The folder that `GRAFT_TEST_DATA` names.
  package static let folder: String? = ProcessInfo.processInfo.environment["GRAFT_TEST_DATA"]
  package static var isPresent: Bool { folder != nil }
  package static let absence = "GRAFT_TEST_DATA is not set"
}
