import CGraftKernels
import GraftFiles

/// The vector instruction sets with their own kernels.
package enum InstructionSet: Int32, Sendable, Comparable, CaseIterable {
  case scalar = 0
  /// AVX2, FMA and F16C
  case avx2 = 1
  /// AVX-512 F, BW, DQ and VL
  case avx512 = 2
  /// AVX-512 and AMX tiles with bf16
  case amx = 3

  package static func < (left: InstructionSet, right: InstructionSet) -> Bool {
    left.rawValue < right.rawValue
  }

  /// The instruction set of processor and operating system.
  package static let detected = InstructionSet(rawValue: graft_cpu_instruction_set()) ?? .scalar

  /// The instruction set that kernels use: the detected one, or a smaller one from `GRAFT_ISA`.
  package static let current: InstructionSet =
    (try? chosen()).map { min($0, detected) } ?? detected

  /// The value of `GRAFT_ISA`; `nil` if it is not set.
  ///
  /// - Throws: `GraftError` if the value is invalid
  package static func chosen() throws -> InstructionSet? {
    guard let name = FileSystem.environmentVariable("GRAFT_ISA") else { return nil }
    guard let wanted = allCases.first(where: { "\($0)" == name }) else {
      throw GraftError.usage(
        "GRAFT_ISA has the invalid value '\(name)'",
        hint: "Use one of \(allCases.map { "\($0)" }.joined(separator: ", "))")
    }
    return wanted
  }
}
