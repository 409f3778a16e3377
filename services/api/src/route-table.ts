import { compareUtf8 } from '@pyralog/base';

/** Which methods an address has, so that a wrong method is told from a wrong address. */
export class RouteTable {
  readonly #routes: { readonly pattern: RegExp; readonly methods: Set<string> }[] = [];

  /** @param url as the framework writes routes: `:name` for a part, `*` for the rest */
  add(method: string | readonly string[], url: string): void {
    const source = url
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replace(/:[a-zA-Z]+/g, '[^/]+');
    const pattern = new RegExp(`^${source}$`);
    let route = this.#routes.find((each) => each.pattern.source === pattern.source);
    if (route === undefined) {
      route = { pattern, methods: new Set() };
      this.#routes.push(route);
    }
    for (const each of typeof method === 'string' ? [method] : method) route.methods.add(each);
  }

  /** The methods of an address, sorted; none where there is nothing. */
  methodsOf(url: string): readonly string[] {
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    const found = this.#routes
      .filter(({ pattern }) => pattern.test(path))
      .flatMap(({ methods }) => [...methods]);
    return [...new Set(found)].toSorted(compareUtf8);
  }
}
