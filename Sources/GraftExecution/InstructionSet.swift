import CGraftKernels
import GraftFiles

/// The vector instruction sets with their own kernels.
///
/// Each belongs to a family of processors. Within a family, a set includes those before it.
package enum InstructionSet: Int32, Sendable, CaseIterable {
  // The values of GRAFT_ISA_…
  case scalar = 0
  /// AVX2, FMA and F16C
  case avx2 = 0x101
  /// AVX-512 F, BW, DQ and VL
  case avx512 = 0x102

  /// The best instruction set of processor and operating system.
  package static let detected = InstructionSet(rawValue: graft_cpu_instruction_set()) ?? .scalar

  /// All instruction sets of processor and operating system, the best one last.
  package static let available = allCases.filter(detected.includes)

  /// The instruction set that kernels use: the detected one, or a smaller one from `GRAFT_ISA`.
  package static let current: InstructionSet =
    (try? chosen()).map { detected.includes($0) ? $0 : detected } ?? detected

  /// Whether a processor with this set can run kernels for the other one.
  package func includes(_ other: InstructionSet) -> Bool {
    graft_cpu_includes(rawValue, other.rawValue) != 0
  }

  /// The tables of C functions for this set.
  package var kernels: UnsafePointer<graft_kernels> { graft_kernels_for(rawValue) }

  /// The value of `GRAFT_ISA`; `nil` if it is not set.
  ///
  /// - Throws: `GraftError` if the value is invalid
  package static func chosen() throws -> InstructionSet? {
    guard let name = FileSystem.environmentVariable("GRAFT_ISA") else { return nil }
    guard let wanted = allCases.first(where: { "\($0)" == name }) else {
      throw GraftError.usage(
        "invalid value '\(name)' for GRAFT_ISA",
        hint: "Use one of \(allCases.map { "\($0)" }.joined(separator: ", "))")
    }
    return wanted
  }
}
