export * from './assert.ts';
export * from './at-most.ts';
export * from './bell.ts';
export * from './brand.ts';
export * from './bytes.ts';
export * from './crc32c.ts';
export * from './patience.ts';
export * from './utf8.ts';
