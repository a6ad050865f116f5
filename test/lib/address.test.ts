import { expect, it } from '@jest/globals';
import { callerBlock, isLoopbackAddress } from '../../src/lib/address.ts';

it.each<[string | undefined, string]>([
  ['192.168.1.7', '192.168.1.7'],
  ['::ffff:192.168.1.7', '192.168.1.7'],
  ['::FFFF:192.168.1.7', '192.168.1.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002:ffff::', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['2001:db8:0:0:1::', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  [undefined, 'unknown'],
])('the block of %s is %s', (address, block) => {
  expect(callerBlock(address)).toBe(block);
});

it.each<[string | undefined, boolean]>([
  ['127.0.0.1', true],
  ['127.8.8.8', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['::ffff:192.168.1.7', false],
  ['192.168.1.7', false],
  ['fe80::1', false],
  ['127.0.0.1.example', false],
  ['', false],
  [undefined, false],
])('%s is a loopback address: %s', (address, own) => {
  expect(isLoopbackAddress(address)).toBe(own);
});
