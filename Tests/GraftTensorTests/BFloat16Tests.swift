import GraftTensor
import Testing

@Test func roundsTiesToEven() {
  #expect(BFloat16(1.0).float == 1)
  #expect(BFloat16(Float(bitPattern: 0x3f80_8000)).bitPattern == 0x3f80)
  #expect(BFloat16(Float(bitPattern: 0x3f81_8000)).bitPattern == 0x3f82)
  #expect(BFloat16(Float.nan).float.isNaN)
  #expect(BFloat16(Float.infinity).float == .infinity)
}
