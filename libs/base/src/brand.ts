declare const brand: unique symbol;

/** A `T` that only its own constructor may make, so that a log offset is never taken for a tx. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
