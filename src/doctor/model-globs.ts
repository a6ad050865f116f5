import type { Config } from '../config/schema.ts';

/** A glob of models in the configuration; `router`: only of models on this one. */
interface ModelGlob {
  option: string;
  glob: string;
  router?: string | undefined;
}

export function modelGlobs({ unload, routers, policy }: Config): ModelGlob[] {
  return [
    ...unload.keep.map((glob) => ({ option: 'unload.keep', glob })),
    ...routers.flatMap(({ name, keep }) =>
      keep.map((glob) => ({ option: `keep of ${name}`, glob, router: name })),
    ),
    ...policy.idle.flatMap(({ models }) => models.map((glob) => ({ option: 'policy.idle', glob }))),
  ];
}
