import CGraftKernels
import GraftExecution
import GraftOperators
import Testing

@Suite struct InstructionSetTests {
  @Test func valuesAreThoseOfTheKernels() {
    #expect(InstructionSet.scalar.rawValue == Int32(GRAFT_ISA_SCALAR))
    #expect(InstructionSet.avx2.rawValue == Int32(GRAFT_ISA_AVX2))
    #expect(InstructionSet.avx512.rawValue == Int32(GRAFT_ISA_AVX512))
  }

  @Test func setsIncludeLowerOnesOfTheirFamily() {
    for set in InstructionSet.allCases {
      #expect(set.includes(set) && set.includes(.scalar))
      #expect(InstructionSet.scalar.includes(set) == (set == .scalar))
    }
    #expect(InstructionSet.avx512.includes(.avx2) && !InstructionSet.avx2.includes(.avx512))
    #expect(InstructionSet.available.last == .detected)
  }

  #if arch(x86_64)
    /// Also for a set above those known, and for one of another family.
    @Test(arguments: zip([0, 0x101, 0x102, 0x103, 0x203], [0, 0x101, 0x102, 0x102, 0]))
    func theBestKernelsOfTheFamilyAreChosen(_ set: Int32, _ expected: Int32) {
      #expect(graft_kernels_for(set).pointee.instruction_set == expected)
    }
  #endif
}
