// Bit flags of the WebGPU specification (sections 5.1.2, 5.1.5 and 8.1). Browsers have them as globals; Dawn in Node has not.

export const BufferUsage = {
  mapRead: 0x1,
  copySource: 0x4,
  copyTarget: 0x8,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;

export const MAP_READ = 0x1;
export const COMPUTE_STAGE = 0x4;
