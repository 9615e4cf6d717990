import Foundation

/// Pickles as Python writes them, of the dictionary
///
///     {"data": numpy.array([[0, 40, 80], [120, 160, 200]], numpy.uint8), "labels": [1, 300],
///      "names": ["one", "two"], "nothing": None, "flag": True, "large": -70000,
///      "pair": (1, b"\x00\xff")}
package enum PickleFixture {
  /// By what wrote them: Python 3 with protocols 0 to 4, and protocol 2 with the strings of Python
  /// 2, as the official CIFAR files have them.
  package static let pickles: [(name: String, bytes: [UInt8])] = base64.map { name, text in
    (name, [UInt8](Data(base64Encoded: text) ?? Data()))
  }

  private static let base64: [(name: String, text: String)] = [
    (
      "Python 3, protocol 0",
      """
      KGRwMApWZGF0YQpwMQpjbnVtcHkuY29yZS5tdWx0aWFycmF5Cl9yZWNvbnN0cnVjdApwMgooY251\
      bXB5Cm5kYXJyYXkKcDMKKEkwCnRwNApjX2NvZGVjcwplbmNvZGUKcDUKKFZiCnA2ClZsYXRpbjEK\
      cDcKdHA4ClJwOQp0cDEwClJwMTEKKEkxCihJMgpJMwp0cDEyCmNudW1weQpkdHlwZQpwMTMKKFZ1\
      MQpwMTQKSTAwCkkwMQp0cDE1ClJwMTYKKEkzClZ8CnAxNwpOTk5JLTEKSS0xCkkwCnRwMTgKYkkw\
      MApnNQooVlx1MDAwMChQeKDICnAxOQpnNwp0cDIwClJwMjEKdHAyMgpic1ZsYWJlbHMKcDIzCihs\
      cDI0CkkxCmFJMzAwCmFzVm5hbWVzCnAyNQoobHAyNgpWb25lCnAyNwphVnR3bwpwMjgKYXNWbm90\
      aGluZwpwMjkKTnNWZmxhZwpwMzAKSTAxCnNWbGFyZ2UKcDMxCkktNzAwMDAKc1ZwYWlyCnAzMgoo\
      STEKZzUKKFZcdTAwMDD/CnAzMwpnNwp0cDM0ClJwMzUKdHAzNgpzLg==
      """
    ),
    (
      "Python 3, protocol 1",
      """
      fXEAKFgEAAAAZGF0YXEBY251bXB5LmNvcmUubXVsdGlhcnJheQpfcmVjb25zdHJ1Y3QKcQIoY251\
      bXB5Cm5kYXJyYXkKcQMoSwB0cQRjX2NvZGVjcwplbmNvZGUKcQUoWAEAAABicQZYBgAAAGxhdGlu\
      MXEHdHEIUnEJdHEKUnELKEsBKEsCSwN0cQxjbnVtcHkKZHR5cGUKcQ0oWAIAAAB1MXEOSTAwCkkw\
      MQp0cQ9ScRAoSwNYAQAAAHxxEU5OTkr/////Sv////9LAHRxEmJJMDAKaAUoWAgAAAAAKFB4wqDD\
      iHETaAd0cRRScRV0cRZiWAYAAABsYWJlbHNxF11xGChLAU0sAWVYBQAAAG5hbWVzcRldcRooWAMA\
      AABvbmVxG1gDAAAAdHdvcRxlWAcAAABub3RoaW5ncR1OWAQAAABmbGFncR5JMDEKWAUAAABsYXJn\
      ZXEfSpDu/v9YBAAAAHBhaXJxIChLAWgFKFgDAAAAAMO/cSFoB3RxIlJxI3RxJHUu
      """
    ),
    (
      "Python 3, protocol 2",
      """
      gAJ9cQAoWAQAAABkYXRhcQFjbnVtcHkuY29yZS5tdWx0aWFycmF5Cl9yZWNvbnN0cnVjdApxAmNu\
      dW1weQpuZGFycmF5CnEDSwCFcQRjX2NvZGVjcwplbmNvZGUKcQVYAQAAAGJxBlgGAAAAbGF0aW4x\
      cQeGcQhScQmHcQpScQsoSwFLAksDhnEMY251bXB5CmR0eXBlCnENWAIAAAB1MXEOiYiHcQ9ScRAo\
      SwNYAQAAAHxxEU5OTkr/////Sv////9LAHRxEmKJaAVYCAAAAAAoUHjCoMOIcRNoB4ZxFFJxFXRx\
      FmJYBgAAAGxhYmVsc3EXXXEYKEsBTSwBZVgFAAAAbmFtZXNxGV1xGihYAwAAAG9uZXEbWAMAAAB0\
      d29xHGVYBwAAAG5vdGhpbmdxHU5YBAAAAGZsYWdxHohYBQAAAGxhcmdlcR9KkO7+/1gEAAAAcGFp\
      cnEgSwFoBVgDAAAAAMO/cSFoB4ZxIlJxI4ZxJHUu
      """
    ),
    (
      "Python 3, protocol 3",
      """
      gAN9cQAoWAQAAABkYXRhcQFjbnVtcHkuY29yZS5tdWx0aWFycmF5Cl9yZWNvbnN0cnVjdApxAmNu\
      dW1weQpuZGFycmF5CnEDSwCFcQRDAWJxBYdxBlJxByhLAUsCSwOGcQhjbnVtcHkKZHR5cGUKcQlY\
      AgAAAHUxcQqJiIdxC1JxDChLA1gBAAAAfHENTk5OSv////9K/////0sAdHEOYolDBgAoUHigyHEP\
      dHEQYlgGAAAAbGFiZWxzcRFdcRIoSwFNLAFlWAUAAABuYW1lc3ETXXEUKFgDAAAAb25lcRVYAwAA\
      AHR3b3EWZVgHAAAAbm90aGluZ3EXTlgEAAAAZmxhZ3EYiFgFAAAAbGFyZ2VxGUqQ7v7/WAQAAABw\
      YWlycRpLAUMCAP9xG4ZxHHUu
      """
    ),
    (
      "Python 3, protocol 4",
      """
      gASV9gAAAAAAAAB9lCiMBGRhdGGUjBZudW1weS5fY29yZS5tdWx0aWFycmF5lIwMX3JlY29uc3Ry\
      dWN0lJOUjAVudW1weZSMB25kYXJyYXmUk5RLAIWUQwFilIeUUpQoSwFLAksDhpRoBYwFZHR5cGWU\
      k5SMAnUxlImIh5RSlChLA4wBfJROTk5K/////0r/////SwB0lGKJQwYAKFB4oMiUdJRijAZsYWJl\
      bHOUXZQoSwFNLAFljAVuYW1lc5RdlCiMA29uZZSMA3R3b5RljAdub3RoaW5nlE6MBGZsYWeUiIwF\
      bGFyZ2WUSpDu/v+MBHBhaXKUSwFDAgD/lIaUdS4=
      """
    ),
    (
      "Python 2, protocol 2",
      """
      gAJ9cQAoVQRkYXRhcQFjbnVtcHkuY29yZS5tdWx0aWFycmF5Cl9yZWNvbnN0cnVjdApxAmNudW1w\
      eQpuZGFycmF5CnEDSwCFcQRVAWJxBYdxBlJxByhLAUsCSwOGcQhjbnVtcHkKZHR5cGUKcQlVAnUx\
      cQqJiIdxC1JxDChLA1UBfHENTk5OSv////9K/////0sAdHEOYolVBgAoUHigyHEPdHEQYlUGbGFi\
      ZWxzcRFdcRIoSwFNLAFlVQVuYW1lc3ETXXEUKFUDb25lcRVVA3R3b3EWZVUHbm90aGluZ3EXTlUE\
      ZmxhZ3EYiFUFbGFyZ2VxGUqQ7v7/VQRwYWlycRpLAVUCAP9xG4ZxHHUu
      """
    ),
  ]
}
