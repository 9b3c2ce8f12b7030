// Not compiled: written from the engine's public documentation. See unreal/README.md.
using System.IO;
using UnrealBuildTool;

public class NpcBridge : ModuleRules
{
    public NpcBridge(ReadOnlyTargetRules Target) : base(Target)
    {
        PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine" });
        bEnableExceptions = true; // the headers refuse frames by exceptions, none of which leaves npcw::Client
        string ThirdParty = Path.Combine(PluginDirectory, "ThirdParty"); // put here: include/npcw, zmq.h, zmq.hpp and libzmq
        PublicSystemIncludePaths.Add(Path.Combine(ThirdParty, "include"));
        PublicAdditionalLibraries.Add(Path.Combine(ThirdParty, "lib", Target.Platform == UnrealTargetPlatform.Win64 ? "libzmq.lib" : "libzmq.so"));
    }
}
