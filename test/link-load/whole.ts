// The byte behind every answer that the gateway's isolate has read to its end, put there by the door (worker.ts) and asked for by the caller (caller.ts).
export const WHOLE = 0x77
